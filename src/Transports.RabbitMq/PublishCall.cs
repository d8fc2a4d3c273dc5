using Postrider.Core.Transport;
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
/// each has a result or it gives up.
/// </summary>
internal sealed class PublishCall(WireMessage[] messages, int count, Memory<PublishResult> results)
    : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
{
    private readonly Lock _lock = new();
    private int _written;
    private int _finished;
    private bool _abandoned;

    public int Count => count;

    public ref readonly WireMessage this[int index] => ref messages[index];

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
            ref readonly var message = ref messages[index];
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

            results.Span[messages[index].Index] = result;
            if (++_finished == count)
            {
                TrySetResult();
            }
        }
    }

    /// <summary>The caller waits no longer: what was written is unknown unless it is finished, the rest is never sent.</summary>
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
                ref var result = ref span[messages[i].Index];
                if (ReferenceEquals(result.Error, Pending))
                {
                    result = new(i < _written ? PublishStatus.Unknown : PublishStatus.NotSent, error);
                }
            }

            TrySetResult();
        }
    }

    /// <summary>Marks results that are still to come.</summary>
    public static readonly Exception Pending = new InvalidOperationException("The result is not known yet.");
}
