using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>A transport that can be made.</summary>
/// <param name="Type">The name of its type.</param>
/// <param name="Section">Its section below <c>Messaging</c>.</param>
/// <param name="Read">Reads its options, to know their keys.</param>
/// <param name="Create">Reads its options and makes it.</param>
internal sealed record TransportEntry(string Type, string Section, Action<Settings> Read, Func<IServiceProvider, Settings, ITransport> Create)
{
    /// <summary>The one without a name is on the host's own broker; each other one has a broker to itself.</summary>
    public static TransportEntry InMemory { get; } = new(
        MessagingRegistration.InMemory, "InMemory", static _ => { },
        static (services, settings) => new InMemoryTransport(settings.Path == "Messaging:InMemory"
            ? services.GetRequiredService<InMemoryBroker>()
            : new(services.GetRequiredService<TimeProvider>())));
}
