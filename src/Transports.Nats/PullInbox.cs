using System.Buffers;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>What comes of pulls. Called on the thread that reads the socket: be quick.</summary>
internal interface IPullSink
{
    /// <summary>A message.</summary>
    void Take(string subject, string ackSubject, ReadOnlySpan<byte> headers, in ReadOnlySequence<byte> body);

    /// <summary>Words about a pull.</summary>
    /// <param name="pull">The last word of the subject to which the pull asked for answers.</param>
    /// <param name="code">408 it is over, 404 nothing is there, 409 several things, 503 nobody listens.</param>
    /// <param name="headers">With the reason in the first line.</param>
    void Hear(ReadOnlySpan<char> pull, int code, ReadOnlySpan<byte> headers);
}

/// <summary>The subscription to which pulled messages come.</summary>
internal sealed class PullInbox(NatsConnection connection, string inbox, IPullSink sink, string queue, ILogger log)
    : NatsSubBase(connection, connection.SubscriptionManager, inbox + ".*", null, null)
{
    protected override ValueTask ReceiveInternalAsync(string subject, string? replyTo, ReadOnlySequence<byte>? headersBuffer, ReadOnlySequence<byte> payloadBuffer)
    {
        try
        {
            var headers = headersBuffer is not { } present ? default : present.IsSingleSegment ? present.FirstSpan : present.ToArray();
            if (replyTo is not null && replyTo.StartsWith("$JS.ACK.", StringComparison.Ordinal))
            {
                sink.Take(subject, replyTo, headers, payloadBuffer);
            }
            else if (Headers.Status(headersBuffer) is > 0 and var code)
            {
                sink.Hear(subject.AsSpan(subject.LastIndexOf('.') + 1), code, headers);
            }
        }
        catch (Exception e)
        {
            // Whatever it was, the connection and its other users go on. The message comes again after its ack wait.
            log.Unreadable(queue, e);
        }

        return default;
    }

    protected override void TryComplete()
    {
    }
}
