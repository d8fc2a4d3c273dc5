using System.Runtime.CompilerServices;
using Postrider.Core.FlowControl;
using Postrider.Core.State;

namespace Postrider.Core.Supervision;

/// <summary>
/// Tells the observers what changes in the state that the processes share, whoever changed it: pauses, circuit breakers, and who is there. Beside the work, and only
/// where there is somebody to tell.
/// </summary>
/// <param name="tell">Tells all observers of a change that is this host's concern.</param>
/// <param name="tellOf">Tells them of a change of a queue; nobody if this host does not consume it.</param>
/// <param name="time">The process's clock.</param>
internal sealed class SharedWatch(Action<MessagingEvent> tell, Action<string, MessagingEvent> tellOf, TimeProvider time)
{
    /// <summary>Pauses; those that there are at the start are told of, too.</summary>
    public async Task FollowPausesAsync(StateView view, CancellationToken stop)
    {
        var before = new Dictionary<string, PausedQueue>(StringComparer.Ordinal);
        await foreach (var entries in SnapshotsAsync(view, stop).ConfigureAwait(false))
        {
            var now = new Dictionary<string, PausedQueue>(StringComparer.Ordinal);
            foreach (var pause in entries.Values.Select(static entry => StateJson.Read(entry, StateJson.Default.PausedQueue)).OfType<PausedQueue>())
            {
                now[pause.Queue] = pause;
            }

            foreach (var (queue, pause) in now)
            {
                if (before.GetValueOrDefault(queue) != pause)
                {
                    tellOf(queue, new QueuePaused(queue, pause.Reason, pause.By));
                }
            }

            foreach (var queue in before.Keys.Where(queue => !now.ContainsKey(queue)))
            {
                tellOf(queue, new QueueResumed(queue));
            }

            before = now;
        }
    }

    /// <summary>Circuit breakers; those that are not closed at the start are told of, too.</summary>
    public async Task FollowCircuitsAsync(StateView view, CancellationToken stop)
    {
        var before = new Dictionary<string, OpenCircuit>(StringComparer.Ordinal);
        await foreach (var entries in SnapshotsAsync(view, stop).ConfigureAwait(false))
        {
            var now = CircuitBreaker.Read(entries).ToDictionary(static circuit => circuit.Queue, StringComparer.Ordinal);
            foreach (var (queue, circuit) in now)
            {
                if (before.GetValueOrDefault(queue) is not { } was || was.IsHalfOpen != circuit.IsHalfOpen || was.Trips != circuit.Trips)
                {
                    tellOf(queue, circuit.IsHalfOpen ? new CircuitHalfOpened(queue) : new CircuitOpened(queue, circuit.Trips, circuit.Reason, circuit.Until));
                }
            }

            foreach (var queue in before.Keys.Where(queue => !now.ContainsKey(queue)))
            {
                tellOf(queue, new CircuitClosed(queue));
            }

            before = now;
        }
    }

    /// <summary>The other hosts: those that come, leave or die; those that are there at the start are told of, too.</summary>
    /// <param name="processes">Knows which entries are, or were, this host's own, which tells of itself.</param>
    /// <param name="stop">Ends it.</param>
    public async Task FollowProcessesAsync(ProcessRegister processes, CancellationToken stop)
    {
        var before = new Dictionary<string, Seen>(StringComparer.Ordinal);
        await foreach (var entries in SnapshotsAsync(processes.View, stop).ConfigureAwait(false))
        {
            var now = new Dictionary<string, Seen>(StringComparer.Ordinal);
            foreach (var (key, entry) in entries.Where(one => !processes.IsOwn(one.Key)))
            {
                var known = before.GetValueOrDefault(key);
                if (known?.Revision == entry.Revision)
                {
                    now[key] = known;
                }
                else if (StateJson.Read(entry, StateJson.Default.MessagingProcess) is { } process)
                {
                    now[key] = new(process, entry.Revision, time.GetTimestamp());
                    if (known is null)
                    {
                        tell(new ProcessRegistered(process, IsThis: false));
                    }
                }
            }

            foreach (var (_, gone) in before.Where(one => !now.ContainsKey(one.Key)))
            {
                tell(HasExpired(gone) ? new ProcessReaped(gone.Process, IsThis: false) : new ProcessLeft(gone.Process, IsThis: false));
            }

            before = now;
        }
    }

    /// <summary>Whoever leaves was heard of within a heartbeat, at most half of its time to live; whoever dies was not for all of it.</summary>
    private bool HasExpired(Seen process) => time.GetElapsedTime(process.At) > process.Process.TimeToLive * 0.75;

    private static async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> SnapshotsAsync(
        StateView view, [EnumeratorCancellation] CancellationToken stop)
    {
        await view.Known.WaitAsync(stop).ConfigureAwait(false);
        while (true)
        {
            var changed = view.Changed;
            yield return view.Entries;
            await changed.WaitAsync(stop).ConfigureAwait(false);
        }
    }

    private sealed record Seen(MessagingProcess Process, long Revision, long At);
}
