using System.Threading.Channels;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Lets one message of a key run at a time, in the order in which they came. Those behind it wait in the window. With <see cref="MessageOrder.ByKeyWithRetries"/> a
/// message that is to be tried again keeps its lane until then.
/// </summary>
/// <remarks>Thread-safe. There are no more waiting than places in the window, so the channel always has room.</remarks>
internal sealed class KeyedLanes(ConsumerQueue queue, ChannelWriter<InFlight> work, TimeProvider time)
{
    private readonly Lock _lock = new();

    /// <summary>By key: those behind the one that runs; null if there are none.</summary>
    private readonly Dictionary<string, Queue<InFlight>?> _lanes = new(StringComparer.Ordinal);

    private readonly Dictionary<InFlight, ITimer> _held = [];
    private bool _isClosed;

    /// <summary>Whether it may run now. If not, it comes to work when it is its turn.</summary>
    public bool Enter(InFlight slot)
    {
        if (slot.Delivery!.Envelope.Key is not { } key)
        {
            return true;
        }

        lock (_lock)
        {
            if (_lanes.TryAdd(key, null))
            {
                return true;
            }

            (_lanes[key] ??= new()).Enqueue(slot);
            queue.Lanes?.Waits(slot.Delivery);
            return false;
        }
    }

    /// <summary>One of this key has ended: the next one comes to work.</summary>
    public void Leave(string? key)
    {
        if (key is null)
        {
            return;
        }

        lock (_lock)
        {
            if (!_lanes.TryGetValue(key, out var waiting))
            {
                return; // A suspect, which runs alone, or closed.
            }

            if (waiting is not null && waiting.TryDequeue(out var next))
            {
                queue.Lanes?.Goes(next.Delivery!);
                work.TryWrite(next);
            }
            else
            {
                _lanes.Remove(key);
            }
        }
    }

    /// <summary>Keeps what is to be tried again here until then, and its key's lane with it. At the end it is to be handed back instead, so that nothing overtakes it.</summary>
    /// <returns>False if it is to be settled and its lane to be left.</returns>
    public bool Hold(InFlight slot, ref Settlement retry)
    {
        if (queue.Order != MessageOrder.ByKeyWithRetries || retry.Kind != SettlementKind.Retry || slot.Delivery!.Envelope.Key is null)
        {
            return false;
        }

        lock (_lock)
        {
            if (_isClosed)
            {
                retry = Settlement.Release(slot.Delivery);
                return false;
            }

            slot.IsRunning = false;
            slot.Attempt++;
            queue.Lanes?.IsHeld(slot.Delivery, retry.Delay);
            _held.Add(slot, time.CreateTimer(Due, slot, retry.Delay, Timeout.InfiniteTimeSpan));
            return true;
        }
    }

    /// <summary>Ends all lanes, and tells what is to be handed back: of each key first what is held, so that nothing overtakes it.</summary>
    public List<InFlight> Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            List<InFlight> left = [.. _held.Keys];
            foreach (var (_, due) in _held)
            {
                due.Dispose();
            }

            foreach (var (_, waiting) in _lanes)
            {
                left.AddRange(waiting ?? []);
            }

            _held.Clear();
            _lanes.Clear();
            return left;
        }
    }

    private void Due(object? state)
    {
        var slot = (InFlight)state!;
        lock (_lock)
        {
            if (_held.Remove(slot, out var due))
            {
                due.Dispose();
                work.TryWrite(slot);
            }
        }
    }
}

/// <summary>Is told of what waits here, for tests that await everything. Called under the lanes' lock.</summary>
internal interface ILaneWatch
{
    void Waits(Delivery delivery);

    void Goes(Delivery delivery);

    /// <summary>It stays in hand, and runs again after a while.</summary>
    void IsHeld(Delivery delivery, TimeSpan delay);
}
