using System.Collections.Concurrent;
using System.Globalization;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.Supervision;

namespace Postrider;

/// <summary>What the messaging host is doing on one of its transports. Thread-safe.</summary>
public sealed class TransportStatus
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, QueueState> _queues = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, HungWatch> _running = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _notReceivingSince = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private readonly Observers? _observers;
    private readonly long _began;
    private long _unreachableSince;

    internal TransportStatus(string name, TimeProvider? time = null, Observers? observers = null)
    {
        (Name, _time, _observers) = (name, time ?? TimeProvider.System, observers);
        _began = _time.GetTimestamp();
    }

    /// <summary>The transport's name in the configuration.</summary>
    public string Name { get; }

    /// <summary>Completes when the broker was reached and the topology is declared. Fails with the error for which this transport was given up.</summary>
    public Task Ready => _ready.Task;

    /// <summary>The last error of the connection, while there is one.</summary>
    public TransportException? Error
    {
        get;
        internal set
        {
            var was = IsReached;
            field = value;
            NoteReached(was);
        }
    }

    /// <summary>Why a publish did not get through, until the broker is reached again.</summary>
    public TransportException? PublishError
    {
        get;
        internal set
        {
            var was = IsReached;
            field = value;
            NoteReached(was);
        }
    }

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
        var wasReached = IsReached;
        Error = null;
        if (_ready.TrySetResult() && wasReached)
        {
            Tell(new BrokerReached());
        }
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

    /// <summary>How long the broker has not been reached, or null if it is.</summary>
    internal TimeSpan? UnreachableFor =>
        !IsReached ? _time.GetElapsedTime(Interlocked.Read(ref _unreachableSince)) : Ready.IsCompletedSuccessfully ? null : _time.GetElapsedTime(_began);

    private bool IsReached => Error is null && PublishError is null;

    internal TimeSpan NotReceivingFor(string queue) => _time.GetElapsedTime(_notReceivingSince.TryGetValue(queue, out var since) ? since : _began);

    /// <summary>Tells the observers.</summary>
    internal void Tell(MessagingEvent happened) => _observers?.Add(happened, Name);

    /// <exception cref="InvalidOperationException">The state may not follow the one that it has.</exception>
    internal void Set(string queue, QueueState state)
    {
        var was = _queues.TryGetValue(queue, out var known) ? known : (QueueState?)null;
        _queues.AddOrUpdate(queue, static (_, first) => first, static (name, before, next) => QueueStates.Next(name, before, next), state);
        if (!IsWell(state) && (was is not { } before || IsWell(before)))
        {
            _notReceivingSince[queue] = _time.GetTimestamp();
        }

        if (was != state)
        {
            Tell(new QueueStateChanged(queue, was, state));
        }

        Changed?.Invoke();
    }

    /// <summary>The queue, which has stopped, does not exist any more.</summary>
    internal void Forget(string queue)
    {
        _queues.TryRemove(queue, out _);
        _notReceivingSince.TryRemove(queue, out _);
        Changed?.Invoke();
    }

    /// <summary>Nothing is wrong with it, though another process may have its turn.</summary>
    private static bool IsWell(QueueState state) => state is QueueState.Receiving or QueueState.Standby;

    private void NoteReached(bool was)
    {
        var why = Error ?? PublishError;
        if (was && why is not null)
        {
            Interlocked.Exchange(ref _unreachableSince, _time.GetTimestamp());
            if (!IsFailed)
            {
                Tell(new BrokerUnreachable(why));
            }
        }
        else if (!was && why is null)
        {
            Tell(new BrokerReached());
        }
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
