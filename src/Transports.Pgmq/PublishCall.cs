using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>One message, ready to be stored.</summary>
internal readonly record struct PublishItem(bool IsTopic, string Name, byte[] Message, byte[] Headers, long Delay, int Index)
{
    public int Size => Message.Length + Headers.Length;
}

/// <summary>
/// One call of <see cref="PgmqPublisher.PublishAsync"/> under way: its items are taken by a flush loop in their order, and the caller waits
/// until each has a result or it gives up.
/// </summary>
internal sealed class PublishCall(PublishItem[] items, int count, Memory<PublishResult> results)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private int _taken;
    private int _finished;
    private bool _abandoned;

    public Task Done => _done.Task;

    /// <summary>The next item, if one is left and fits. For the one flush loop that has the call.</summary>
    public bool TryTake(long room, out PublishItem item)
    {
        lock (_lock)
        {
            if (_abandoned || _taken == count || items[_taken].Size > room)
            {
                item = default;
                return false;
            }

            item = items[_taken++];
            return true;
        }
    }

    public bool HasMore
    {
        get
        {
            lock (_lock)
            {
                return !_abandoned && _taken < count;
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

            results.Span[item.Index] = result;
            if (++_finished == count)
            {
                _done.TrySetResult();
            }
        }
    }

    /// <summary>The caller waits no longer: what was taken is unknown unless it is finished, the rest is never sent.</summary>
    public void Abandon(Exception error)
    {
        lock (_lock)
        {
            if (_abandoned || _finished == count)
            {
                return;
            }

            _abandoned = true;
            var span = results.Span;
            for (var i = 0; i < count; i++)
            {
                ref var result = ref span[items[i].Index];
                if (i >= _taken)
                {
                    result = new(PublishStatus.NotSent, error);
                }
                else if (ReferenceEquals(result.Error, Pending))
                {
                    result = new(PublishStatus.Unknown, error);
                }
            }

            _done.TrySetResult();
        }
    }

    /// <summary>Marks results that are still to come.</summary>
    public static readonly Exception Pending = new InvalidOperationException("The result is not known yet.");
}
