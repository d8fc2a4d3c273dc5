using Microsoft.Extensions.Diagnostics.HealthChecks;
using Postrider.Core.Hosting;

namespace Postrider.HealthChecks;

/// <summary>Whether a new process would do better than this one.</summary>
internal sealed class LiveCheck(TransportSet transports) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken) =>
        Task.FromResult(transports.All.All(static one => one.Status.IsFailed)
            ? new HealthCheckResult(context.Registration.FailureStatus, $"Messaging has given up. {transports.Default.Status.Error?.Message}")
            : HealthCheckResult.Healthy());
}
