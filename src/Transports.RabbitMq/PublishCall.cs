using System.Threading.Tasks.Sources;
using Postrider.Core.Transport;
using Postrider.Pooling;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>One message on its way to an exchange.</summary>
/// <param name="Exchange">The exchange; empty for the default one, which leads to the queue that the key names.</param>
/// <param name="RoutingKey">The routing key.</param>
/// <param name="Envelope">The message.</param>
/// <param name="Index">The place of its result.</param>
/// <param name="Redeliveries">What was counted before, for a copy that is not to be counted.</param>
internal readonly record struct WireMessage(string Exchange, string RoutingKey, Envelope Envelope, int Index, int Redeliveries = 0);

/// <summary>
/// One call of <see cref="RabbitMqPublisher.SendAsync"/> under way: the writer takes its messages in their order, and the caller waits until
/// each has a result or it gives up. Reused, unless the caller gave up: then the writer or the broker may still come to it.
/// </summary>
internal sealed class PublishCall : IValueTaskSource
{
    private const int LargestKept = 256;

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _done = new() { RunContinuationsAsynchronously = true };
    private WireMessage[] _messages = new WireMessage[1];
    private Memory<PublishResult> _results;
    private int _written;
    private int _finished;
    private bool _abandoned;

    public int Count { get; private set; }

    /// <summary>Completes when all have a result.</summary>
    public ValueTask Done => new(this, _done.Version);

    public ref readonly WireMessage this[int index] => ref _messages[index];

    /// <summary>To be filled with messages for exchanges, and sent.</summary>
    public static PublishCall Take() => Pool<PublishCall>.Take() ?? new();

    public void Add(in WireMessage message)
    {
        if (Count == _messages.Length)
        {
            Array.Resize(ref _messages, Count * 2);
        }

        _messages[Count++] = message;
    }

    /// <summary>All are added, and not sent yet. Results of other indices than theirs stay as they are.</summary>
    public void Begin(Memory<PublishResult> results)
    {
        _results = results;
        for (var i = 0; i < Count; i++)
        {
            results.Span[_messages[i].Index] = new(PublishStatus.Unknown, Pending);
        }
    }

    /// <summary>After its end: makes it ready for the next one, if that can be.</summary>
    public bool TryReset()
    {
        if (_abandoned || _messages.Length > LargestKept)
        {
            return false;
        }

        _messages.AsSpan(0, Count).Clear();
        (Count, _written, _finished, _results) = (0, 0, 0, default);
        _done.Reset();
        return true;
    }

    /// <summary>Hands a message to the client, unless the caller has given up. When this returns nothing of the message is read any more.</summary>
    /// <remarks>
    /// The client copies a message into its frames before it first waits, for which one writer per channel is the condition. (It may wait
    /// earlier only when the channel is about to close; then it does not read the message at all.)
    /// </remarks>
    public bool TryWrite(int index, IChannel channel, EnvelopeMapper mapper, out ValueTask written)
    {
        lock (_lock)
        {
            if (_abandoned)
            {
                written = default;
                return false;
            }

            _written = index + 1;
            ref readonly var message = ref _messages[index];
            written = channel.BasicPublishAsync(
                message.Exchange, message.RoutingKey, mandatory: true, mapper.Write(message, message.Exchange), message.Envelope.Body, CancellationToken.None);
            return true;
        }
    }

    public void Finish(int index, in PublishResult result)
    {
        lock (_lock)
        {
            if (_abandoned)
            {
                return;
            }

            _results.Span[_messages[index].Index] = result;
            if (++_finished == Count)
            {
                _done.SetResult(true);
            }
        }
    }

    /// <summary>The caller waits no longer: what was written is unknown unless it is finished, the rest is never sent.</summary>
    public void Abandon(Exception error)
    {
        lock (_lock)
        {
            if (_abandoned || _finished == Count)
            {
                return;
            }

            _abandoned = true;
            var span = _results.Span;
            for (var i = 0; i < Count; i++)
            {
                ref var result = ref span[_messages[i].Index];
                if (ReferenceEquals(result.Error, Pending))
                {
                    result = new(i < _written ? PublishStatus.Unknown : PublishStatus.NotSent, error);
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
