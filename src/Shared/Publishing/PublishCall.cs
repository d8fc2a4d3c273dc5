using System.Threading.Tasks.Sources;
using Postrider.Core.Transport;

namespace Postrider.Publishing;

/// <summary>A message of a <see cref="PublishCall{TItem}"/>.</summary>
internal interface IPublishItem
{
    /// <summary>The place of its result.</summary>
    int Index { get; }
}

/// <summary>
/// One call to publish under way: whoever sends takes its messages in their order, and the caller waits until each has a result or it gives up.
/// Reused, unless the caller gave up: then whoever sends may still come to it.
/// </summary>
internal abstract class PublishCall<TItem> : IValueTaskSource
    where TItem : struct, IPublishItem
{
    private const int LargestKept = 256;
    private static readonly Exception Pending = new InvalidOperationException("The result is not known yet.");

    private ManualResetValueTaskSourceCore<bool> _done = new() { RunContinuationsAsynchronously = true };
    private TItem[] _items = new TItem[1];
    private Memory<PublishResult> _results;
    private int _finished;

    public int Count { get; private set; }

    /// <summary>Completes when all have a result.</summary>
    public ValueTask Done => new(this, _done.Version);

    public ref readonly TItem this[int index] => ref _items[index];

    /// <summary>Guards what follows, and that nothing is sent after the caller gave up.</summary>
    protected Lock Gate { get; } = new();

    /// <summary>How many of the messages may have been sent.</summary>
    protected int Sent { get; set; }

    protected bool IsAbandoned { get; private set; }

    public void Add(in TItem item)
    {
        if (Count == _items.Length)
        {
            Array.Resize(ref _items, Count * 2);
        }

        _items[Count++] = item;
    }

    /// <summary>All are added, and not sent yet. Results of other indices than theirs stay as they are.</summary>
    public void Begin(Memory<PublishResult> results)
    {
        _results = results;
        for (var i = 0; i < Count; i++)
        {
            results.Span[_items[i].Index] = new(PublishStatus.Unknown, Pending);
        }
    }

    public void Finish(in TItem item, in PublishResult result)
    {
        lock (Gate)
        {
            if (IsAbandoned)
            {
                return;
            }

            _results.Span[item.Index] = result;
            if (++_finished == Count)
            {
                _done.SetResult(true);
            }
        }
    }

    /// <summary>The caller waits no longer: what may have been sent is unknown unless it is finished, the rest is never sent.</summary>
    public void Abandon(Exception error)
    {
        lock (Gate)
        {
            if (IsAbandoned || _finished == Count)
            {
                return;
            }

            IsAbandoned = true;
            var span = _results.Span;
            for (var i = 0; i < Count; i++)
            {
                ref var result = ref span[_items[i].Index];
                if (ReferenceEquals(result.Error, Pending))
                {
                    result = new(i < Sent ? PublishStatus.Unknown : PublishStatus.NotSent, error);
                }
            }

            _done.SetResult(true);
        }
    }

    /// <summary>After its end: makes it ready for the next one, if that can be.</summary>
    public bool TryReset()
    {
        if (IsAbandoned || _items.Length > LargestKept)
        {
            return false;
        }

        _items.AsSpan(0, Count).Clear();
        (Count, Sent, _finished, _results) = (0, 0, 0, default);
        _done.Reset();
        return true;
    }

    void IValueTaskSource.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);
}
