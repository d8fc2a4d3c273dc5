using System.Threading.Tasks.Sources;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>One message, ready to be stored.</summary>
internal readonly record struct PublishItem(bool IsTopic, string Name, byte[] Message, byte[] Headers, long Delay, int Index)
{
    public int Size => Message.Length + Headers.Length;
}

/// <summary>
/// One call of <see cref="PgmqPublisher.PublishAsync"/> under way: its items are taken by a flush loop in their order, and the caller waits
/// until each has a result or it gives up. Reused, unless the caller gave up: then a flush loop may still come to it.
/// </summary>
internal sealed class PublishCall : IValueTaskSource
{
    private const int LargestKept = 256;

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _done = new() { RunContinuationsAsynchronously = true };
    private PublishItem[] _items = new PublishItem[1];
    private Memory<PublishResult> _results;
    private int _count;
    private int _taken;
    private int _finished;
    private bool _abandoned;

    public bool IsEmpty => _count == 0;

    /// <summary>Completes when all items have a result.</summary>
    public ValueTask Done => new(this, _done.Version);

    public void Begin(Memory<PublishResult> results) => _results = results;

    public void Add(in PublishItem item)
    {
        if (_count == _items.Length)
        {
            Array.Resize(ref _items, _count * 2);
        }

        _items[_count++] = item;
        _results.Span[item.Index] = new(PublishStatus.Unknown, Pending);
    }

    /// <summary>After its end: makes it ready for the next one, if that can be.</summary>
    public bool TryReset()
    {
        if (_abandoned || _items.Length > LargestKept)
        {
            return false;
        }

        _items.AsSpan(0, _count).Clear();
        (_count, _taken, _finished, _results) = (0, 0, 0, default);
        _done.Reset();
        return true;
    }

    /// <summary>The next item, if one is left and fits. For the one flush loop that has the call.</summary>
    public bool TryTake(long room, out PublishItem item)
    {
        lock (_lock)
        {
            if (_abandoned || _taken == _count || _items[_taken].Size > room)
            {
                item = default;
                return false;
            }

            item = _items[_taken++];
            return true;
        }
    }

    public bool HasMore
    {
        get
        {
            lock (_lock)
            {
                return !_abandoned && _taken < _count;
            }
        }
    }

    public void Finish(in PublishItem item, PublishResult result)
    {
        lock (_lock)
        {
            if (_abandoned)
            {
                return;
            }

            _results.Span[item.Index] = result;
            if (++_finished == _count)
            {
                _done.SetResult(true);
            }
        }
    }

    /// <summary>The caller waits no longer: what was taken is unknown unless it is finished, the rest is never sent.</summary>
    public void Abandon(Exception error)
    {
        lock (_lock)
        {
            if (_abandoned || _finished == _count)
            {
                return;
            }

            _abandoned = true;
            var span = _results.Span;
            for (var i = 0; i < _count; i++)
            {
                ref var result = ref span[_items[i].Index];
                if (i >= _taken)
                {
                    result = new(PublishStatus.NotSent, error);
                }
                else if (ReferenceEquals(result.Error, Pending))
                {
                    result = new(PublishStatus.Unknown, error);
                }
            }

            _done.SetResult(true);
        }
    }

    void IValueTaskSource.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    /// <summary>Marks results that are still to come.</summary>
    public static readonly Exception Pending = new InvalidOperationException("The result is not known yet.");
}
