using System.Buffers;
using System.Text.Json;
using NATS.Client.Core;
using Postrider.Core.Transport;
using Postrider.Publishing;

namespace Postrider.Transports.Nats;

/// <summary>One message on its way to a stream.</summary>
/// <param name="Subject">The subject.</param>
/// <param name="Envelope">The message.</param>
/// <param name="Id">By which the server finds duplicates.</param>
/// <param name="Kind">What it was published to.</param>
/// <param name="Index">The place of its result.</param>
/// <param name="Delay">How long it is parked.</param>
/// <param name="Redeliveries">What was counted before, for a copy that is not to be counted.</param>
/// <param name="Copied">Of a topic's: the queues that have a copy of their own.</param>
internal readonly record struct WireMessage(
    string Subject, Envelope Envelope, string Id, DestinationKind Kind, int Index, TimeSpan Delay = default, int Redeliveries = 0, string? Copied = null) : IPublishItem;

/// <summary>One call of <see cref="NatsPublisher.SendAsync"/> under way.</summary>
internal sealed class PublishCall : PublishCall<WireMessage>, IAwaiting
{
    private const string Doing = "publish";
    private NatsPublisher _publisher = null!;

    public PublishCall Of(NatsPublisher publisher)
    {
        _publisher = publisher;
        return this;
    }

    /// <summary>Hands a message to the client, unless the caller has given up. When this returns nothing of the message is read any more.</summary>
    /// <remarks>The client copies a message before it first waits, or throws.</remarks>
    public bool TryWrite(int index, Link link, NatsHeaders headers, ref ReplySlot? slot, out ValueTask written)
    {
        lock (Gate)
        {
            written = default;
            if (IsAbandoned)
            {
                return false;
            }

            // A copy: if the link is lost already, the call may be another's from the next line on.
            var message = this[index];
            Sent = index + 1;
            slot = link.Await(this, index);
            EnvelopeMapper.Write(headers, message.Envelope, message.Id, message.Kind == DestinationKind.Topic, message.Delay, message.Redeliveries, message.Copied);
            written = link.WriteAsync(message.Subject, message.Envelope.Body, headers, slot.Subject, link.Ended);
            return true;
        }
    }

    public void Answered(int item, int status, in ReadOnlySequence<byte> payload)
    {
        _publisher.Ended();
        Finish(this[item], status == 503 ? NobodyListens(this[item].Kind) : Read(payload));
    }

    public void Lost(int item, Exception error)
    {
        _publisher.Ended();
        Finish(this[item], new(PublishStatus.Unknown, error is TransportException { Reason: TransportError.Timeout }
            ? NatsErrors.TimedOut(Doing, _publisher.Where)
            : NatsErrors.Lost(Doing, _publisher.Where)));
    }

    /// <summary>The result of two copies of one message, or of what came of several.</summary>
    public static PublishResult Together(in PublishResult one, in PublishResult other)
    {
        if (IsStored(one) == IsStored(other))
        {
            return other.Status is PublishStatus.Stored or PublishStatus.Unknown ? other : one;
        }

        // Some queues have it: sent again, it is a duplicate there.
        return new(PublishStatus.Unknown, one.Error ?? other.Error);

        static bool IsStored(in PublishResult result) => result.Status is PublishStatus.Stored or PublishStatus.Duplicate;
    }

    private PublishResult NobodyListens(DestinationKind kind) => new(PublishStatus.Unroutable, kind == DestinationKind.Topic ? null : new TransportException(
        $"Cannot {Doing} on NATS at {_publisher.Where}: no stream takes it, so the queue does not exist. Declare the queue first.", TransportError.QueueNotFound));

    private PublishResult Read(in ReadOnlySequence<byte> payload)
    {
        var (code, errorCode, description, duplicate, stored) = (0, 0, "", false, false);
        try
        {
            var json = new Utf8JsonReader(payload);
            while (json.Read())
            {
                if (json.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                if (json.ValueTextEquals("duplicate"u8) && json.Read())
                {
                    duplicate = json.TokenType == JsonTokenType.True;
                }
                else if (json.ValueTextEquals("seq"u8) && json.Read())
                {
                    stored = json.TokenType == JsonTokenType.Number;
                }
                else if (json.ValueTextEquals("code"u8) && json.Read())
                {
                    code = json.GetInt32();
                }
                else if (json.ValueTextEquals("err_code"u8) && json.Read())
                {
                    errorCode = json.GetInt32();
                }
                else if (json.ValueTextEquals("description"u8) && json.Read())
                {
                    description = json.GetString() ?? "";
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return new(PublishStatus.Unknown, new TransportException($"Cannot {Doing} on NATS at {_publisher.Where}: the answer cannot be read.", TransportError.Other, e));
        }

        if (code == 0)
        {
            return stored
                ? new(duplicate ? PublishStatus.Duplicate : PublishStatus.Stored)
                : new(PublishStatus.Unknown, new TransportException(
                    $"Cannot {Doing} on NATS at {_publisher.Where}: something else than a stream answers on this subject.", TransportError.TopologyMismatch));
        }

        // The server says that it has not stored it.
        var error = NatsErrors.OfAnswer(code, errorCode, description, Doing, _publisher.Where);
        return new(error.IsTransient ? PublishStatus.NotSent : PublishStatus.Rejected, error);
    }
}
