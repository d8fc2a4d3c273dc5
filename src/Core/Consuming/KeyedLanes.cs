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
    private int _waiting;

    /// <summary>How many wait behind one of their key.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Whether it may run now. If not, it comes to work when it is its turn.</summary>
    public bool Enter(InFlight slot, string? key)
    {
        slot.Key = key;
        if (key is null)
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
            _waiting++;
            queue.Lanes?.Waits(slot.Delivery!);
            return false;
        }
    }

    /// <summary>One of this key has ended: the next one comes to work.</summary>
    /// <returns>At the end: those behind it, to be handed back after it, so that they do not overtake it.</returns>
    public IReadOnlyCollection<InFlight> Leave(string? key, bool isEnd)
    {
        if (key is null)
        {
            return []; // It has none, or is a suspect, which runs alone.
        }

        lock (_lock)
        {
            if (!_lanes.TryGetValue(key, out var waiting))
            {
                return [];
            }

            if (waiting is null || waiting.Count == 0 || isEnd || _isClosed)
            {
                _lanes.Remove(key);
                return waiting ?? [];
            }

            var next = waiting.Dequeue();
            _waiting--;
            queue.Lanes?.Goes(next.Delivery!);
            work.TryWrite(next);
            return [];
        }
    }

    /// <summary>Keeps what is to be tried again here until then, and its key's lane with it. At the end it is to be handed back instead, so that nothing overtakes it.</summary>
    /// <returns>False if it is to be settled and its lane to be left.</returns>
    public bool Hold(InFlight slot, ref Settlement retry)
    {
        if (queue.Order != MessageOrder.ByKeyWithRetries || retry.Kind != SettlementKind.Retry || slot.Key is null)
        {
            return false;
        }

        lock (_lock)
        {
            if (_isClosed)
            {
                retry = Settlement.Release(slot.Delivery!);
                return false;
            }

            slot.Again();
            if (retry.Delay > TimeSpan.Zero)
            {
                _held.Add(slot, time.CreateTimer(Due, slot, retry.Delay, Timeout.InfiniteTimeSpan));
                queue.Lanes?.IsHeld(slot.Delivery!, retry.Delay);
            }
            else
            {
                queue.Lanes?.IsHeld(slot.Delivery!, retry.Delay);
                work.TryWrite(slot);
            }

            return true;
        }
    }

    /// <summary>Begins the end: what is held is to be handed back, and behind it the rest of its key. Others are when the one before them has ended (<see cref="Leave"/>).</summary>
    public List<InFlight> Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            var left = new List<InFlight>();
            foreach (var (slot, due) in _held)
            {
                due.Dispose();
                left.Add(slot);
                if (_lanes.Remove(slot.Key!, out var behind))
                {
                    left.AddRange(behind ?? []);
                }
            }

            _held.Clear();
            return left;
        }
    }

    /// <summary>What is still behind handlers that did not end.</summary>
    public List<InFlight> TakeRest()
    {
        lock (_lock)
        {
            List<InFlight> left = [.. _lanes.Values.SelectMany(static waiting => waiting ?? [])];
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
