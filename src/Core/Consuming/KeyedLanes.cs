using System.Threading.Channels;
using Postrider.Core.FlowControl;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Lets one message of a key run at a time, in the order in which they came. Those behind it wait in the window. With <see cref="MessageOrder.ByKeyWithRetries"/> a
/// message that is to be tried again keeps its lane until then. With a rate limit for each key, a message waits first in its lane until it has a token; in a queue without an
/// order a lane is there for just as long.
/// </summary>
/// <remarks>Thread-safe. There are no more waiting than places in the window, so the channel always has room.</remarks>
internal sealed class KeyedLanes(ConsumerQueue queue, ChannelWriter<InFlight> work, TimeProvider time, KeyRates? rates = null)
{
    private readonly Lock _lock = new();

    /// <summary>By key: those behind the one that runs, or waits for a token; null if there are none.</summary>
    private readonly Dictionary<string, Queue<InFlight>?> _lanes = new(StringComparer.Ordinal);

    /// <summary>Those that run again after a delay, or that wait for a token.</summary>
    private readonly Dictionary<InFlight, (ITimer Due, bool IsLimited)> _held = [];

    private bool _isClosed;
    private int _waiting;

    /// <summary>How many wait behind one of their key, or for a token.</summary>
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
                var isLimited = Limit(slot);
                if (!isLimited && queue.Order == MessageOrder.None)
                {
                    _lanes.Remove(key);
                }

                return !isLimited;
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
        if (key is null || queue.Order == MessageOrder.None)
        {
            return []; // It has none, or is a suspect, which runs alone; or the lane is that of those that wait for a token.
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

            Next(waiting);
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
                Hold(slot, retry.Delay, isLimited: false);
                queue.Lanes?.IsHeld(slot.Delivery!, retry.Delay);
            }
            else
            {
                queue.Lanes?.IsHeld(slot.Delivery!, retry.Delay);
                Go(slot);
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
            return TakeHeld(onlyLimited: false);
        }
    }

    /// <summary>What waits for a token, and the rest of its key, is to be handed back, as something else must not wait for it.</summary>
    public List<InFlight> TakeLimited()
    {
        lock (_lock)
        {
            return TakeHeld(onlyLimited: true);
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
            if (!_held.Remove(slot, out var held))
            {
                return;
            }

            held.Due.Dispose();
            if (!held.IsLimited)
            {
                Go(slot);
                return;
            }

            _waiting--;
            queue.Lanes?.Goes(slot.Delivery!);
            work.TryWrite(slot);
            if (queue.Order == MessageOrder.None)
            {
                while (_lanes[slot.Key!] is { Count: > 0 } behind)
                {
                    if (!Next(behind))
                    {
                        return;
                    }
                }

                _lanes.Remove(slot.Key!);
            }
        }
    }

    /// <returns>False if it waits for a token.</returns>
    private bool Next(Queue<InFlight> behind)
    {
        var next = behind.Dequeue();
        _waiting--;
        queue.Lanes?.Goes(next.Delivery!);
        return Go(next);
    }

    /// <returns>False if it waits for a token.</returns>
    private bool Go(InFlight slot)
    {
        if (Limit(slot))
        {
            return false;
        }

        work.TryWrite(slot);
        return true;
    }

    /// <summary>Lets it wait for a token, if there is a limit and none is there.</summary>
    private bool Limit(InFlight slot)
    {
        if (rates?.Take(slot.Key!) is not { } wait || wait == TimeSpan.Zero)
        {
            return false;
        }

        Hold(slot, wait, isLimited: true);
        _waiting++;
        queue.Lanes?.IsLimited(slot.Delivery!, wait);
        return true;
    }

    private void Hold(InFlight slot, TimeSpan delay, bool isLimited) => _held.Add(slot, (time.CreateTimer(Due, slot, delay, Timeout.InfiniteTimeSpan), isLimited));

    private List<InFlight> TakeHeld(bool onlyLimited)
    {
        var left = new List<InFlight>();
        foreach (var (slot, held) in _held)
        {
            if (onlyLimited && !held.IsLimited)
            {
                continue;
            }

            _held.Remove(slot);
            held.Due.Dispose();
            left.Add(slot);
            if (held.IsLimited)
            {
                _waiting--;
                rates!.GiveBack(slot.Key!);
            }

            if (_lanes.Remove(slot.Key!, out var behind))
            {
                _waiting -= behind?.Count ?? 0;
                left.AddRange(behind ?? []);
            }
        }

        return left;
    }
}

/// <summary>Is told of what waits here, for tests that await everything. Called under the lanes' lock.</summary>
internal interface ILaneWatch
{
    void Waits(Delivery delivery);

    void Goes(Delivery delivery);

    /// <summary>It stays in hand, and runs again after a while.</summary>
    void IsHeld(Delivery delivery, TimeSpan delay);

    /// <summary>It stays in hand for a while, until its key has a token. Then it goes.</summary>
    void IsLimited(Delivery delivery, TimeSpan delay);
}
