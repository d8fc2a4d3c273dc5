using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Hosting;

namespace Postrider;

/// <summary>What the process does when it gets a signal.</summary>
public static class Signals
{
    /// <summary>
    /// SIGTERM and SIGINT stop the application, which drains; another one, half a second later or more, ends the process at once, without the drain (exit code 143
    /// or 130); so does SIGQUIT, always (131). SIGTTIN logs what every handler is doing, and the state of the thread pool. What a process that is ended at once had
    /// in hand is handed out again when its leases are over. On Linux and macOS; elsewhere nothing changes.
    /// </summary>
    /// <remarks>For an application that is a process of its own. The host alone lets SIGQUIT drain, too, and takes further signals for the same one.</remarks>
    public static MessagingBuilder HandleSignals(this MessagingBuilder messaging)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        messaging.Services.AddHostedService<SignalHandling>();
        return messaging;
    }
}
