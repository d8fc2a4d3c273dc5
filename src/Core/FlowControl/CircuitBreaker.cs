using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.State;
using Postrider.Core.Stats;

namespace Postrider.Core.FlowControl;

/// <summary>
/// The circuit breaker of a queue. Its state is in the state store, so it is that of all processes: an entry that lives as long as the pause while it is open,
/// and one with the number of pauses since the last success, which alone means half-open. <see cref="Supervision.QueueGate"/> obeys it.
/// </summary>
internal sealed class CircuitBreaker
{
    public const string Prefix = "circuits";

    private static readonly TimeSpan LongestChange = TimeSpan.FromSeconds(2);

    private readonly CircuitBreakerOptions _options;
    private readonly IStateStore _store;
    private readonly StateView _circuits;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FailureCount _failures;
    private readonly string _queue;
    private readonly string _openKey;
    private readonly string _tripsKey;
    private int _isChanging;
    private Task? _change;

    public CircuitBreaker(CircuitBreakerOptions options, string queue, SharedState shared, TimeProvider time, ILogger logger)
    {
        (_options, _queue, _store, _time, _logger) = (options, queue, shared.Store, time, logger);
        _circuits = shared.View(Prefix);
        _failures = new(options, time);
        (_openKey, _tripsKey) = (OpenKey(queue), TripsKey(queue));
    }

    /// <summary>Nothing is to be taken.</summary>
    public bool IsOpen => _circuits.Entries.ContainsKey(_openKey);

    /// <summary>One is to try.</summary>
    public bool IsHalfOpen => !IsOpen && _circuits.Entries.ContainsKey(_tripsKey);

    /// <summary>That of a queue, of all.</summary>
    public static CircuitState StateOf(string queue, IReadOnlyDictionary<string, StateEntry> circuits) =>
        circuits.ContainsKey(OpenKey(queue)) ? CircuitState.Open : circuits.ContainsKey(TripsKey(queue)) ? CircuitState.HalfOpen : CircuitState.Closed;

    public StateView View => _circuits;

    /// <summary>What a run came to. It never waits.</summary>
    public void Record(Outcome outcome)
    {
        if (outcome.Exception is { } exception)
        {
            _change = null; // Of an earlier run.
            if (_options.Counts?.Invoke(exception) != false && (_failures.Failed() || IsHalfOpen) && !IsOpen)
            {
                Change(() => OpenAsync(exception));
            }

            return;
        }

        _failures.Succeeded();
        if (IsHalfOpen)
        {
            Change(CloseAsync);
        }
    }

    /// <summary>
    /// Waits until what the last run came to is known here, as it is to others: the next message is not to be tried before. Not for long where the state store does not answer.
    /// </summary>
    public async ValueTask KnownAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _change, null) is not { } change)
        {
            return;
        }

        await change.WaitAsync(LongestChange, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _circuits.UntilAsync(_ => !IsHalfOpen, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>All that are not closed.</summary>
    public static async ValueTask<IReadOnlyList<OpenCircuit>> ListAsync(IStateStore store, CancellationToken cancellationToken)
    {
        var entries = await store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false);
        return [.. Read(entries).OrderBy(static circuit => circuit.Queue, StringComparer.Ordinal)];
    }

    /// <summary>All that are not closed.</summary>
    public static IEnumerable<OpenCircuit> Read(IReadOnlyDictionary<string, StateEntry> entries) =>
        entries.Select(static one => StateJson.Read(one.Value, StateJson.Default.OpenCircuit) is { } circuit
                ? circuit with { IsHalfOpen = !one.Key.StartsWith($"{Prefix}.open.", StringComparison.Ordinal) }
                : null)
            .OfType<OpenCircuit>()
            .GroupBy(static circuit => circuit.Queue, static (_, both) => both.MinBy(static circuit => circuit.IsHalfOpen)!, StringComparer.Ordinal);

    /// <summary>Closes it, whatever there was.</summary>
    /// <returns>False if it was closed.</returns>
    public static async ValueTask<bool> CloseAsync(IStateStore store, string queue, CancellationToken cancellationToken)
    {
        // The one that is open last: without it the other would be half-open for a moment.
        var was = false;
        foreach (var key in new[] { TripsKey(queue), OpenKey(queue) })
        {
            while (await store.GetAsync(key, cancellationToken).ConfigureAwait(false) is { } entry)
            {
                was |= await store.DeleteAsync(key, entry.Revision, cancellationToken).ConfigureAwait(false);
            }
        }

        return was;
    }

    /// <summary>Beside the work, one change at a time: what comes meanwhile is of the time before.</summary>
    private void Change(Func<Task> change)
    {
        if (Interlocked.Exchange(ref _isChanging, 1) == 1)
        {
            return;
        }

        _change = Task.Run(async () =>
        {
            try
            {
                await change().ConfigureAwait(false);
            }
            catch (StateStoreException e)
            {
                _logger.CircuitNotTold(_queue, e.Message);
            }
            catch (ObjectDisposedException)
            {
                // The host has ended.
            }
            finally
            {
                Volatile.Write(ref _isChanging, 0);
            }
        });
    }

    private async Task OpenAsync(Exception cause)
    {
        var before = await _store.GetAsync(_tripsKey).ConfigureAwait(false);
        var trips = ((before is null ? null : StateJson.Read(before, StateJson.Default.OpenCircuit))?.Trips ?? 0) + 1;
        var pause = PauseOf(trips);
        var circuit = new OpenCircuit(_queue, trips, $"{cause.GetType().FullName}: {MessagingBuilder.Short(cause.Message)}", _time.GetUtcNow() + pause, IsHalfOpen: false);
        var value = JsonSerializer.SerializeToUtf8Bytes(circuit, StateJson.Default.OpenCircuit);
        if (await _store.PutAsync(_openKey, value, 0, pause).ConfigureAwait(false) is null)
        {
            return; // Another was first, and counts.
        }

        _failures.Reset();
        _logger.CircuitOpened(_queue, trips, pause, cause.Message);
        await _store.PutAsync(_tripsKey, value, before?.Revision ?? 0, Timeout.InfiniteTimeSpan).ConfigureAwait(false);
    }

    private async Task CloseAsync()
    {
        if (await CloseAsync(_store, _queue, CancellationToken.None).ConfigureAwait(false))
        {
            _failures.Reset();
            _logger.CircuitClosed(_queue);
        }
    }

    private static string OpenKey(string queue) => $"{Prefix}.open.{queue}";

    private static string TripsKey(string queue) => $"{Prefix}.trips.{queue}";

    private TimeSpan PauseOf(int trips)
    {
        var pause = _options.Pause * Math.Pow(2, Math.Min(trips - 1, 30));
        return pause < _options.LongestPause ? pause : _options.LongestPause;
    }
}
