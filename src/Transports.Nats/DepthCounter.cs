using System.Globalization;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>What a queue has: in the topics' stream, in its own, and in that of its levels.</summary>
/// <remarks>
/// What its consumer of the topics' stream has before it may be more than the queue's, where its filter is wider than its patterns (servers before 2.10), until the receiver has passed
/// over it. What was handed back, or whose lease is over, counts as in hand until it is handed out again.
/// </remarks>
internal sealed class DepthCounter(JetStreamApi api, Subjects subjects, ServerClock clock)
{
    public async ValueTask<QueueDepth> OfAsync(string queue, CancellationToken cancellationToken)
    {
        Subjects.Check(queue);
        var (own, beside, doing) = (subjects.StreamOf(queue), subjects.StreamOf(Subjects.LevelsOf(queue)), $"count the messages of '{queue}'");
        var consumers = new List<(string Stream, JsonElement Info)>();

        // In the direction in which messages go: a retry moves one from the topics' stream to the queue's own.
        await LookAsync(subjects.TopicsStream, Subjects.ConsumerOf(queue)).ConfigureAwait(false);
        var total = consumers.Sum(static one => Pending(one.Info) + InHand(one.Info));
        var kept = await OwnAsync().ConfigureAwait(false);
        await LookAsync(own, Subjects.Ready).ConfigureAwait(false);
        var levels = await api.StreamInfoAsync(beside, doing, cancellationToken).ConfigureAwait(false);
        if (levels.ErrorCode != NatsErrors.StreamNotFound)
        {
            // Delays go from there to here and back: what moves is not to be missed.
            kept = Math.Max(kept, await OwnAsync().ConfigureAwait(false)) + MessagesOf(levels.OrThrow(doing, api.Links.Where));
            foreach (var level in Subjects.Levels)
            {
                await LookAsync(beside, Subjects.ConsumerOf(level)).ConfigureAwait(false);
            }
        }

        return new(
            total + kept, consumers.Sum(static one => Pending(one.Info)), consumers.Sum(static one => InHand(one.Info)),
            await OldestAsync(consumers, doing, cancellationToken).ConfigureAwait(false));

        // There is none of the topics' stream if the queue has no bindings.
        async ValueTask LookAsync(string stream, string consumer)
        {
            var answer = await api.ConsumerInfoAsync(stream, consumer, doing, cancellationToken).ConfigureAwait(false);
            if (answer.ErrorCode is not (NatsErrors.ConsumerNotFound or NatsErrors.StreamNotFound))
            {
                consumers.Add((stream, answer.OrThrow(doing, api.Links.Where).Root));
            }
        }

        async ValueTask<long> OwnAsync() => await api.StreamInfoAsync(own, doing, cancellationToken).ConfigureAwait(false) is var answer
            && answer.ErrorCode == NatsErrors.StreamNotFound
                ? throw new TransportException($"There is no queue '{queue}' on NATS at {api.Links.Where}.", TransportError.QueueNotFound)
                : MessagesOf(answer.OrThrow(doing, api.Links.Where));
    }

    /// <summary>By the first message of each consumer that is not acked, as the server tells when a message was stored with the message only.</summary>
    private async ValueTask<TimeSpan> OldestAsync(List<(string Stream, JsonElement Info)> consumers, string doing, CancellationToken cancellationToken)
    {
        DateTimeOffset? oldest = null;
        foreach (var (stream, info) in consumers.Where(static one => Pending(one.Info) + InHand(one.Info) > 0))
        {
            // Before 2.10 nothing is acked at first, not even what was before the consumer.
            var first = info.GetProperty(InHand(info) == 0 ? "delivered" : "ack_floor").GetProperty("stream_seq").GetUInt64() + 1;
            foreach (var filter in Json.FiltersOf(info.GetProperty("config")))
            {
                var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{first}},"next_by_subj":"{{filter}}"}""");
                var answer = await api.GetMessageAsync(stream, which, doing, cancellationToken).ConfigureAwait(false);
                if (answer.ErrorCode is not (NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound))
                {
                    var stored = answer.OrThrow(doing, api.Links.Where).Root.GetProperty("message").GetProperty("time").GetDateTimeOffset();
                    oldest = stored > oldest ? oldest : stored;
                }
            }
        }

        if (oldest is not { } since)
        {
            return TimeSpan.Zero;
        }

        await clock.RefreshAsync(cancellationToken).ConfigureAwait(false);
        var age = clock.Since((since - DateTimeOffset.UnixEpoch).Ticks * 100);
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    private static long Pending(JsonElement consumer) => consumer.GetProperty("num_pending").GetInt64();

    private static long InHand(JsonElement consumer) => consumer.GetProperty("num_ack_pending").GetInt64();

    private static long MessagesOf(Answer stream) => stream.Root.GetProperty("state").GetProperty("messages").GetInt64();
}
