using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Postrider.Core.Hosting;
using Postrider.HealthChecks;

namespace Postrider;

/// <summary>Messaging's health, for <c>MapHealthChecks</c> and orchestrators.</summary>
public static class MessagingHealthCheckExtensions
{
    /// <summary>
    /// Adds two checks: one of the given name with the tag <c>ready</c>, and one with <c>-live</c> after the name and the tag <c>live</c>.
    /// </summary>
    /// <remarks>
    /// <para>Ready follows what every queue does. It is Degraded while one is not received from, be it that the broker is away or that the queue is paused, while a handler hangs, while what
    /// was published last could not be sent, and while a broker that is only published to does not answer. It is Unhealthy when that has lasted longer than
    /// <paramref name="unhealthyAfter"/>, but for paused queues, and when a transport is given up or a queue is stopped. The description names each such queue with
    /// its consumers; the data have the state of every queue. Looks are shared: there is at most one in five seconds, however many ask.</para>
    /// <para>Live is Unhealthy only when every transport is given up, as the application ends then. It never is because a broker is away: to start a process anew
    /// does not bring a broker back.</para>
    /// </remarks>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What to report instead of Unhealthy; null: Unhealthy.</param>
    /// <param name="tags">More tags for both.</param>
    /// <param name="timeout">How long a look may take; null: there is no limit of its own, and none takes longer than a few seconds.</param>
    /// <param name="unhealthyAfter">How long the ready check is Degraded before it is Unhealthy; null: a minute.</param>
    public static IHealthChecksBuilder AddMessaging(
        this IHealthChecksBuilder builder, string name = "messaging", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null,
        TimeSpan? unhealthyAfter = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(unhealthyAfter ?? TimeSpan.Zero, TimeSpan.Zero);
        string[] more = [.. tags ?? []];
        builder.Services.AddKeyedSingleton(name, (services, _) => new ReadyCheck(
            Transports(services), services.GetRequiredService<MessagingRegistration>(), services.GetRequiredService<TimeProvider>(), unhealthyAfter ?? TimeSpan.FromMinutes(1)));
        return builder
            .Add(new(name, services => services.GetRequiredKeyedService<ReadyCheck>(name), failureStatus, ["ready", .. more], timeout))
            .Add(new($"{name}-live", static services => new LiveCheck(Transports(services)), failureStatus, ["live", .. more], timeout));
    }

    private static TransportSet Transports(IServiceProvider services) => services.GetService<TransportSet>()
        ?? throw new MessagingConfigurationException("There is a health check of messaging, but no messaging: call AddMessaging() on the services, too.");
}
