using System.Collections.Concurrent;
using System.Globalization;
using Postrider.Core.Consuming;
using Postrider.Core.Supervision;

namespace Postrider;

/// <summary>What the messaging host is doing on one of its transports. Thread-safe.</summary>
public sealed class TransportStatus
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, QueueState> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, HungWatch> _running = new(StringComparer.Ordinal);

    internal TransportStatus(string name) => Name = name;

    /// <summary>The transport's name in the configuration.</summary>
    public string Name { get; }

    /// <summary>Completes when the broker was reached and the topology is declared. Fails with the error for which this transport was given up.</summary>
    public Task Ready => _ready.Task;

    /// <summary>The last error of the connection, while there is one.</summary>
    public TransportException? Error { get; internal set; }

    /// <summary>The state of each queue that is consumed there.</summary>
    public IReadOnlyDictionary<string, QueueState> Queues => _queues;

    /// <summary>What is left there, if this host drains it (<c>Messaging:DrainFrom</c>), as of the last look; null for other transports.</summary>
    public DrainStatus? Drain { get; internal set; }

    /// <summary>The broker is reached and every queue is being received from, here or by the process whose turn it is.</summary>
    public bool IsHealthy
    {
        get
        {
            if (!Ready.IsCompletedSuccessfully)
            {
                return false;
            }

            foreach (var (_, state) in _queues)
            {
                if (state is not (QueueState.Receiving or QueueState.Standby))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>The handlers that run now.</summary>
    internal IEnumerable<RunningHandler> Running => _running.Values.SelectMany(static one => one.Running);

    internal bool IsStarted { get; set; }

    /// <summary>Is told of each change of a queue's state.</summary>
    internal Action? Changed { get; set; }

    /// <summary>It was given up until the next start.</summary>
    internal bool IsFailed { get; set; }

    /// <summary>One line for people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Name}: {(IsHealthy ? "healthy" : IsFailed ? "given up" : Ready.IsCompletedSuccessfully ? "not healthy" : "not reached yet")}"
        + $"{string.Concat(_queues.OrderBy(static one => one.Key, StringComparer.Ordinal).Select(static one => $", {one.Key} {one.Value}"))}"
        + $"{(Drain is { } drain ? $", {drain}" : "")}{(Error is { } error ? $". {error.Message}" : "")}");

    internal void SetReady()
    {
        Error = null;
        _ready.TrySetResult();
    }

    internal void SetFailed(TransportException error)
    {
        Error = error;
        if (_ready.TrySetException(error))
        {
            _ = _ready.Task.Exception; // observed: the host reports it
        }
    }

    /// <summary>A queue's handlers can be seen there; null: it has none any more.</summary>
    internal void Show(string queue, HungWatch? running)
    {
        if (running is null)
        {
            _running.TryRemove(queue, out _);
        }
        else
        {
            _running[queue] = running;
        }
    }

    /// <exception cref="InvalidOperationException">The state may not follow the one that it has.</exception>
    internal void Set(string queue, QueueState state)
    {
        _queues.AddOrUpdate(queue, static (_, first) => first, static (name, before, next) => QueueStates.Next(name, before, next), state);
        Changed?.Invoke();
    }
}

/// <summary>What is left on a transport that is being drained.</summary>
/// <param name="Messages">In its queues: ready, delayed, to be tried again, and in hand; null before the first look, and where the transport cannot count.</param>
/// <param name="DeadLetters">In its dead-letter queues; null likewise. They stay until somebody replays, moves or discards them (<see cref="IDeadLetters"/>).</param>
/// <param name="IsDrained">There was no message at several looks in a row. False again when messages come, as from an application that still publishes there.</param>
public sealed record DrainStatus(long? Messages, long? DeadLetters, bool IsDrained)
{
    /// <summary>One line for people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{(IsDrained ? "drained" : $"{Text(Messages)} messages left")}, {Text(DeadLetters)} dead letters");

    private static string Text(long? count) => count?.ToString(CultureInfo.InvariantCulture) ?? "unknown";
}
