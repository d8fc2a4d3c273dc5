using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.State;

namespace Postrider.Core.Supervision;

/// <summary>What this host shares with the other processes of the application while it runs: pauses, circuit breakers, turns, and the register of who is alive.</summary>
internal sealed class Membership : IAsyncDisposable
{
    private readonly IQueueControl _control;
    private readonly HostIdentity _self;
    private readonly TransportSet _transports;
    private readonly ILogger _logger;
    private readonly SharedState? _shared;
    private readonly ProcessRegister? _processes;
    private readonly CancellationTokenSource _leave = new();
    private readonly Task _registered = Task.CompletedTask;
    private readonly List<Task> _watching = [];

    /// <summary>Where the circuit breakers are, if there are any: a host without a state store has them for itself.</summary>
    private readonly SharedState? _circuits;

    public Membership(HostState state, IQueueControl control, QueueMarks marks, HostIdentity self, TransportSet transports, MessagingOptions options, Observers observers, ILogger logger)
    {
        (_control, _self, _transports, _logger) = (control, self, transports, logger);
        _shared = state.Store is { } store ? new(store, logger) : null;
        var queues = ConsumedBy(transports);
        _circuits = !queues.Exists(static queue => queue.CircuitBreaker is not null) ? null : _shared ?? new(new InMemoryStateStore(new InMemoryBroker()), logger);
        marks.Follow(queues.Count == 0 ? null : _shared?.View(QueueControl.Prefix), _circuits?.View(CircuitBreaker.Prefix));
        if (_shared is not null)
        {
            _processes = new(_shared, self, Describe, options, happened => observers.Add(happened), TimeProvider.System, logger);
            foreach (var transport in transports.All)
            {
                transport.Status.Changed = _processes.Tell;
            }

            _registered = Task.Run(() => _processes.RunAsync(_leave.Token));
        }

        if (observers.AreAny)
        {
            _watching = [.. Watch(new(happened => observers.Add(happened), TellOf, TimeProvider.System))];
        }
    }

    /// <exception cref="MessagingConfigurationException">A consumer needs a state store, and there is none.</exception>
    public static void Check(HostState state, TransportSet transports)
    {
        var queues = ConsumedBy(transports);
        if (queues.Find(static queue => queue.SingleActive) is { } single)
        {
            state.Require($"A single active consumer of the queue '{single.Name}'");
        }

        if (queues.Find(static queue => queue.ConsumerPriority != 0) is { } prior)
        {
            state.Require($"The ConsumerPriority of the queue '{prior.Name}'");
        }

        if (queues.Find(static queue => queue.RateLimit is { Shared: true } || queue.RateLimitPerKey is { Shared: true }) is { } limited)
        {
            state.Require($"The shared RateLimit of the queue '{limited.Name}'");
        }
    }

    public CircuitBreaker? CircuitOf(ConsumerQueue queue, ILogger logger) => queue.CircuitBreaker is { } options
        ? new(options, queue.Name, _circuits!, TimeProvider.System, logger)
        : null;

    public RateLimit? RateOf(ConsumerQueue queue, TimeProvider time) => queue.RateLimit is not { } options ? null : new(options, SharersOf(queue, options), time);

    public KeyRates? KeyRatesOf(ConsumerQueue queue, TimeProvider time) =>
        queue.RateLimitPerKey is not { } options ? null : new(options, SharersOf(queue, options), time);

    public QueueGate GateOf(NamedTransport transport, ConsumerQueue queue, CircuitBreaker? circuit, ILogger logger)
    {
        var turn = $"{(queue.IsDrained ? "draining" : "consumer")}.{queue.Name}";
        return new(queue, turn, _shared, _processes, circuit, _self, transport.Status, logger);
    }

    /// <summary>Pauses a queue for all processes.</summary>
    /// <returns>False if that is not possible.</returns>
    public async Task<bool> PauseAsync(string queue, string reason)
    {
        if (_shared is null)
        {
            return false;
        }

        try
        {
            await _control.PauseAsync(queue, reason).ConfigureAwait(false);
            // The gate goes by the view, which knows a moment later; unless the queue was resumed before it looked.
            await _shared.View(QueueControl.Prefix).UntilAsync(pauses => pauses.ContainsKey(QueueControl.Key(queue)), CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (StateStoreException e)
        {
            _logger.PausedHereOnly(queue, e.Message);
            return false;
        }
    }

    /// <summary>Leaves, after everything is drained.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leave.CancelAsync().ConfigureAwait(false);
        await _registered.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var state in new[] { _shared, _circuits }.OfType<SharedState>().Distinct())
        {
            await state.DisposeAsync().ConfigureAwait(false);
        }

        _leave.Dispose();
    }

    private Func<int> SharersOf(ConsumerQueue queue, RateLimitOptions options) =>
        options.Shared && _processes is { } processes ? () => processes.CountOf(queue.Name) : static () => 1;

    /// <summary>A pattern stands for the queues that will be found.</summary>
    private static List<ConsumerQueue> ConsumedBy(TransportSet transports) =>
        [.. transports.All.SelectMany(static transport => transport.Consumed.Concat(transport.Templates.Select(static one => one.Pattern)))];

    /// <summary>What the observers are told of beside the work. What is told of a place among the processes comes from the gates.</summary>
    private IEnumerable<Task> Watch(SharedWatch watch)
    {
        if (_shared is not null)
        {
            yield return watch.FollowPausesAsync(_shared.View(QueueControl.Prefix), _leave.Token);
            yield return watch.FollowProcessesAsync(_processes!, _leave.Token);
        }

        if (_circuits is not null)
        {
            yield return watch.FollowCircuitsAsync(_circuits.View(CircuitBreaker.Prefix), _leave.Token);
        }
    }

    private void TellOf(string queue, MessagingEvent happened)
    {
        foreach (var transport in _transports.All.Where(transport => transport.Consumed.Any(one => one.Name == queue)))
        {
            transport.Status.Tell(happened);
        }
    }

    private MessagingProcess Describe(MessagingProcess process) => process with
    {
        Queues =
        [
            .. _transports.All.SelectMany(static transport => transport.Consumed, static (transport, queue) => new ProcessQueue(
                queue.Name, transport.Status.Queues.GetValueOrDefault(queue.Name, QueueState.Starting), queue.Concurrency, queue.ConsumerPriority,
                queue.Busy, queue.Pool?.Pool.Name)),
        ],
        Pools = _transports.Pools.Run.ToDictionary(static pool => pool.Name, static pool => pool.Status, StringComparer.OrdinalIgnoreCase),
    };
}
