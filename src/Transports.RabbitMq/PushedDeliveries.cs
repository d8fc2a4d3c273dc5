using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>What the broker has pushed on a channel and nobody has asked for yet. Suspects are kept apart, and so are levels. Thread-safe.</summary>
/// <param name="unsettled">Counts what is taken from here.</param>
/// <param name="turns">Of a queue with priorities: whose turn it is; else null.</param>
internal sealed class PushedDeliveries(UnsettledTags unsettled, PriorityTurns? turns)
{
    private readonly Channel<RabbitMqDelivery> _pushed = Channel.CreateUnbounded<RabbitMqDelivery>(new() { SingleWriter = false });
    private readonly ConcurrentQueue<RabbitMqDelivery> _suspects = new();
    private readonly Lock _lock = new();
    private readonly Queue<RabbitMqDelivery>[] _levels = turns is null ? [] : [.. Enumerable.Range(0, Priorities.Count).Select(static _ => new Queue<RabbitMqDelivery>())];
    private int _waiting;
    private int _sorted;
    private volatile bool _lost;

    /// <summary>Whether <see cref="Take"/> has come across suspects that are not taken yet.</summary>
    public bool HasSuspects => !_lost && !_suspects.IsEmpty;

    /// <summary>How many are here.</summary>
    public int Count => _lost ? 0 : _pushed.Reader.Count + _suspects.Count + Volatile.Read(ref _sorted);

    /// <returns>False after the end.</returns>
    public bool TryAdd(RabbitMqDelivery delivery) => _pushed.Writer.TryWrite(delivery);

    /// <summary>Up to so many that are not suspect; null if there are none. Sets suspects aside.</summary>
    public List<Delivery>? Take(int max)
    {
        List<Delivery>? taken = null;
        while ((taken?.Count ?? 0) < max && !_lost && (turns is null ? TryRead(out var delivery) : TryReadByLevel(turns, out delivery)))
        {
            unsettled.Take();
            (taken ??= new(Math.Min(max, 64))).Add(delivery);
        }

        return taken;
    }

    /// <summary>Up to so many of the suspects that were set aside; null if there are none.</summary>
    public List<Delivery>? TakeSuspects(int max)
    {
        List<Delivery>? taken = null;
        while ((taken?.Count ?? 0) < max && !_lost && _suspects.TryDequeue(out var delivery))
        {
            unsettled.Take();
            (taken ??= []).Add(delivery);
        }

        return taken;
    }

    /// <summary>Until something is pushed, or nothing will be.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _pushed.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Nothing more will be pushed. What was can still be taken.</summary>
    public void End() => _pushed.Writer.TryComplete();

    /// <summary>The channel is gone: what was pushed on it is another's.</summary>
    public void Lose()
    {
        _lost = true;
        End();
    }

    private bool TryRead([NotNullWhen(true)] out RabbitMqDelivery? delivery)
    {
        while (_pushed.Reader.TryRead(out delivery))
        {
            if (!delivery.IsSuspect)
            {
                return true;
            }

            _suspects.Enqueue(delivery);
        }

        return false;
    }

    private bool TryReadByLevel(PriorityTurns whose, [NotNullWhen(true)] out RabbitMqDelivery? delivery)
    {
        lock (_lock)
        {
            while (TryRead(out delivery))
            {
                _levels[delivery.Level].Enqueue(delivery);
                _waiting |= 1 << delivery.Level;
                _sorted++;
            }

            if (_waiting == 0)
            {
                return false;
            }

            var level = _levels[whose.Next(_waiting)];
            delivery = level.Dequeue();
            _sorted--;
            if (level.Count == 0)
            {
                _waiting &= ~(1 << delivery.Level);
            }

            return true;
        }
    }
}
