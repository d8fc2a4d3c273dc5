using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.Stats;

namespace Postrider.Testing.Conformance;

/// <summary>An application: services with messaging, started and stopped as a host does it.</summary>
internal sealed class ScenarioHost(ServiceProvider services) : IAsyncDisposable
{
    private bool _isStopped;

    public bool IsDurable { get; set; }

    public IMessageBus Bus => services.GetRequiredService<IMessageBus>();

    public IDeadLetters DeadLetters => services.GetRequiredService<IDeadLetters>();

    public IQueueControl Control => services.GetRequiredService<IQueueControl>();

    public IMessagingStats Stats => services.GetRequiredService<IMessagingStats>();

    public MessagingStatus Status => services.GetRequiredService<MessagingStatus>();

    public async Task StartAsync()
    {
        foreach (var service in services.GetServices<IHostedService>())
        {
            await service.StartAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    public async Task StopAsync()
    {
        _isStopped = true;
        foreach (var service in services.GetServices<IHostedService>())
        {
            await service.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_isStopped)
        {
            await StopAsync().ConfigureAwait(false);
        }

        await services.DisposeAsync().ConfigureAwait(false);
    }
}
