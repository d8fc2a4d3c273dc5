using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.State;

namespace Postrider.Core.Hosting;

/// <summary>The host's state store: the one that the code chose, or that of the default transport's broker. A host may have none.</summary>
internal sealed class HostState : IAsyncDisposable
{
    private readonly string _system;

    public HostState(IServiceProvider services)
    {
        var transport = services.GetRequiredService<TransportSet>().Default.Transport;
        _system = transport.Capabilities.System;
        Store = services.GetRequiredService<TransportFactory>().CreateStateStore() ?? (transport as IStateStoreSource)?.CreateStateStore();
    }

    public IStateStore? Store { get; }

    /// <param name="feature">What needs it, as the beginning of a sentence.</param>
    /// <exception cref="MessagingConfigurationException">There is none.</exception>
    public IStateStore Require(string feature) => Store ?? throw new MessagingConfigurationException(
        $"{feature} needs a state store that the processes of the application share, and the transport '{_system}' brings none. "
        + "Choose one, such as UsePostgresState() of Postrider.Persistence.Postgres.");

    public ValueTask DisposeAsync() => Store?.DisposeAsync() ?? ValueTask.CompletedTask;
}
