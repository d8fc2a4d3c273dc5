using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Postrider.Core.Consuming;
using Postrider.Core.Hosting;
using Postrider.Core.Transport;

namespace Postrider.HealthChecks;

/// <summary>Whether messages come in and go out.</summary>
internal sealed class ReadyCheck : IHealthCheck
{
    /// <summary>A broker that takes longer to answer is away.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private static readonly Topology Nothing = new([], []);

    private readonly TransportSet _transports;
    private readonly IReadOnlyList<ConsumerRegistration> _registered;
    private readonly TimeProvider _time;
    private readonly TimeSpan _unhealthyAfter;
    private readonly SharedLook<HealthCheckResult> _look;

    public ReadyCheck(TransportSet transports, MessagingRegistration registration, TimeProvider time, TimeSpan unhealthyAfter)
    {
        (_transports, _time, _unhealthyAfter) = (transports, time, unhealthyAfter);
        _registered = registration.Consumers;
        _look = new(LookAsync, time);
    }

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken)
    {
        var seen = await _look.GetAsync(cancellationToken).ConfigureAwait(false);
        return seen.Status == HealthStatus.Unhealthy ? new(context.Registration.FailureStatus, seen.Description, seen.Exception, seen.Data) : seen;
    }

    private async Task<HealthCheckResult> LookAsync()
    {
        var (worst, notes, data) = (HealthStatus.Healthy, new List<string>(), new Dictionary<string, object>(StringComparer.Ordinal));
        await Task.WhenAll(_transports.All.Select(ProbeAsync)).ConfigureAwait(false);
        foreach (var transport in _transports.All)
        {
            Note(transport.Name, Of(transport.Status));
            foreach (var queue in transport.Queues)
            {
                Note($"{transport.Name}/{queue.Name}", Of(transport.Status, queue.Name));
            }

            foreach (var handler in transport.Status.Running.Where(static one => one.IsHung))
            {
                Note($"{transport.Name}/{handler.Queue}/{handler.MessageId}", (HealthStatus.Degraded, "hangs", $"{handler}."));
            }
        }

        if (_transports.All.All(static one => one.Queues.Count == 0 && one.Templates.Count == 0))
        {
            notes.Add("There are no consumers: this process only publishes.");
        }

        return new(worst, notes.Count == 0 ? null : string.Join(' ', notes), _transports.All.FirstOrDefault(static one => one.Status.Error is not null)?.Status.Error, data);

        void Note(string key, (HealthStatus Status, string State, string? Text) seen)
        {
            worst = seen.Status < worst ? seen.Status : worst;
            data[key] = seen.State;
            if (seen.Text is not null)
            {
                notes.Add(seen.Text);
            }
        }
    }

    /// <summary>Where nothing is received, nothing tells that the broker is away, or is there again.</summary>
    private async Task ProbeAsync(NamedTransport transport)
    {
        var status = transport.Status;
        if (!status.Ready.IsCompletedSuccessfully || status.IsFailed || (transport.Queues.Count > 0 && status.PublishError is null))
        {
            return;
        }

        using var limit = new CancellationTokenSource(Patience, _time);
        try
        {
            await transport.Transport.DeclareAsync(Nothing, limit.Token).AsTask().WaitAsync(limit.Token).ConfigureAwait(false);
            status.PublishError = null;
        }
        catch (TransportException e)
        {
            status.PublishError = e;
        }
        catch (OperationCanceledException)
        {
            status.PublishError ??= new($"The broker did not answer within {Patience}.", TransportError.Timeout);
        }
        catch (ObjectDisposedException)
        {
            // The host has ended.
        }
    }

    private (HealthStatus Status, string State, string? Text) Of(TransportStatus status)
    {
        if (status.IsFailed || !status.IsStarted)
        {
            var state = status.IsFailed ? "given up" : "not started";
            return (HealthStatus.Unhealthy, state, $"The transport '{status.Name}' is {state}. {status.Error?.Message}".TrimEnd());
        }

        return status.UnreachableFor is not { } time ? (HealthStatus.Healthy, "reached", null)
            : (After(time), $"not reached for {Seconds(time)}", $"The transport '{status.Name}' has not been reached for {Seconds(time)}. {(status.Error ?? status.PublishError)?.Message}".TrimEnd());
    }

    private (HealthStatus Status, string State, string? Text) Of(TransportStatus status, string queue)
    {
        var state = status.Queues.TryGetValue(queue, out var known) ? known : QueueState.Stopped;
        var time = status.NotReceivingFor(queue);
        return state is QueueState.Receiving or QueueState.Standby ? (HealthStatus.Healthy, $"{state}", null)
            : (state is QueueState.Stopped or QueueState.Faulted ? HealthStatus.Unhealthy : state == QueueState.Paused ? HealthStatus.Degraded : After(time), $"{state} for {Seconds(time)}",
                $"The queue '{queue}' is {state} for {Seconds(time)}: {string.Join(", ", ConsumersOf(queue))}.");
    }

    /// <summary>Those of its name or, if it was found, of the longest pattern.</summary>
    private IEnumerable<string> ConsumersOf(string queue) => _registered.Where(one => QueuePattern.Matches(one.Queue, queue))
        .GroupBy(static one => one.Queue)
        .OrderBy(static one => QueuePattern.Is(one.Key)).ThenByDescending(static one => one.Key.Length).FirstOrDefault()?.Select(static one => one.Name) ?? [];

    private HealthStatus After(TimeSpan time) => time >= _unhealthyAfter ? HealthStatus.Unhealthy : HealthStatus.Degraded;

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s");
}
