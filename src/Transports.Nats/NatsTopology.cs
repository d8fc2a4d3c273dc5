using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Makes streams, consumers and bindings exist. Everything may be done by many at once.</summary>
internal sealed class NatsTopology(JetStreamApi api, Subjects subjects, Registry registry, ILogger log)
{
    /// <summary>How long a message is held without a sign, at most; longer leases are kept up by their receivers (<see cref="LeaseKeeper"/>).</summary>
    public static readonly TimeSpan LongestAckWait = TimeSpan.FromSeconds(30);

    /// <summary>After how long a parked message is taken up again that a process had in hand when it ended, or that the server was just handing to it.</summary>
    private static readonly TimeSpan ParkedAckWait = TimeSpan.FromSeconds(1);

    /// <summary>Whoever takes longer than this to change a consumer is taken for dead.</summary>
    private static readonly TimeSpan LongestChange = TimeSpan.FromSeconds(3);

    private static readonly Version SeveralFilters = new(2, 10);
    private const string Doing = "declare";
    private const int MostTries = 10;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private string Where => api.Links.Where;

    private NatsOptions Options => api.Links.Options;

    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        var link = await api.Links.GetAsync(Doing, cancellationToken).ConfigureAwait(false);
        await StreamAsync(subjects.TopicsStream, "interest", [subjects.AllTopics], cancellationToken).ConfigureAwait(false);
        await StreamAsync(subjects.BindingsStream, "limits", [subjects.AllBindings, subjects.Clock], cancellationToken, mostOfSubject: 1).ConfigureAwait(false);
        var several = Version.TryParse(link.Server.Version.Split('-')[0], out var version) && version >= SeveralFilters;
        var patterns = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var queue in topology.Queues)
        {
            patterns.TryAdd(queue, []);
        }

        foreach (var (pattern, queue) in topology.Bindings)
        {
            patterns[queue].Add(pattern);
        }

        var limit = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(patterns, limit, async (queue, token) =>
        {
            await QueueAsync(Names.DeadLetterQueue(queue.Key), "limits", token).ConfigureAwait(false);
            await QueueAsync(queue.Key, "workqueue", token).ConfigureAwait(false);
            if (topology.PriorityQueues.Contains(queue.Key))
            {
                await LevelsAsync(queue.Key, token).ConfigureAwait(false);
            }

            await BindAsync(queue.Key, queue.Value, several, token).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        const string listing = "list the queues";
        var found = new List<string>();
        for (var (first, total) = (0, 1); first < total;)
        {
            var answer = (await api.StreamNamesAsync(subjects.AllQueues, first, listing, cancellationToken).ConfigureAwait(false)).OrThrow(listing, Where).Root;
            string[] streams = answer.TryGetProperty("streams", out var list) && list.ValueKind == JsonValueKind.Array
                ? [.. list.EnumerateArray().Select(static one => one.GetString() ?? "")] : [];
            found.AddRange(streams.Select(subjects.QueueOfStream).OfType<string>().Where(queue =>
                queue.StartsWith(prefix, StringComparison.Ordinal) && Names.WhyIllegalQueue(queue) is null && !Names.IsDeadLetterQueue(queue)));
            (first, total) = (first + streams.Length, streams.Length == 0 ? 0 : answer.GetProperty("total").GetInt32());
        }

        return found;
    }

    /// <summary>For the answers to all processes' requests.</summary>
    public ValueTask DeclareRepliesAsync(CancellationToken cancellationToken) => StreamAsync(
        subjects.RepliesStream, "limits", [subjects.AllReplies], cancellationToken, ReplyReader.MostKept, ReplyReader.LongestStay);

    private async ValueTask QueueAsync(string queue, string retention, CancellationToken cancellationToken)
    {
        var stream = subjects.StreamOf(queue);
        var (ready, parked) = (subjects.OfQueue(queue), subjects.OfDelayed(queue));
        await StreamAsync(stream, retention, [ready, parked], cancellationToken).ConfigureAwait(false);
        await ConsumerAsync(stream, Subjects.Ready, [ready], LongestAckWait, cancellationToken).ConfigureAwait(false);
        await ConsumerAsync(stream, Subjects.Parked, [parked], ParkedAckWait, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// All levels but the default one, which is the queue itself, are a stream of their own: the queue's cannot change its subjects. That there are levels is told
    /// when they are there, in a word of its own: a version that does not know it would not keep it when it writes bindings.
    /// </summary>
    private async ValueTask LevelsAsync(string queue, CancellationToken cancellationToken)
    {
        var stream = subjects.StreamOf(Subjects.LevelsOf(queue));
        await StreamAsync(stream, "workqueue", [.. Subjects.Levels.Select(level => subjects.OfLevel(queue, level))], cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(Subjects.Levels.Select(level => ConsumerAsync(
            stream, Subjects.ConsumerOf(level), [subjects.OfLevel(queue, level)], LongestAckWait, cancellationToken).AsTask())).ConfigureAwait(false);
        if (!await registry.HasLevelsAsync(queue, Doing, cancellationToken).ConfigureAwait(false))
        {
            ThrowUnlessCreating($"the word that the queue '{queue}' has priorities");
            await api.PutAsync(subjects.OfBindings(Subjects.LevelsOf(queue)), "{}"u8.ToArray(), null, Doing, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask StreamAsync(string stream, string retention, string[] wanted, CancellationToken cancellationToken, int mostOfSubject = -1, TimeSpan longestStay = default)
    {
        for (var tries = 0; ; tries++)
        {
            var answer = await api.StreamInfoAsync(stream, Doing, cancellationToken).ConfigureAwait(false);
            if (answer.ErrorCode == NatsErrors.StreamNotFound)
            {
                ThrowUnlessCreating($"the stream '{stream}'");
                answer = await api.CreateStreamAsync(stream, Json.Stream(Options, stream, retention, wanted, mostOfSubject, longestStay), Doing, cancellationToken).ConfigureAwait(false);
                if (answer.ErrorCode is NatsErrors.StreamNameInUse or NatsErrors.SubjectOverlap && tries < MostTries)
                {
                    // Another was quicker, or is at it: what overlaps may be this very stream.
                    await Task.Delay(Pause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                    continue;
                }

                log.Created(Where, stream);
            }

            var config = answer.OrThrow(Doing, Where).Root.GetProperty("config");
            string[] have = config.TryGetProperty("subjects", out var list) ? [.. list.EnumerateArray().Select(static one => one.GetString() ?? "")] : [];
            if (config.GetProperty("retention").GetString() != retention || !have.Order(StringComparer.Ordinal).SequenceEqual(wanted.Order(StringComparer.Ordinal)))
            {
                throw new TransportException(
                    $"Cannot {Doing} on NATS at {Where}: a stream '{stream}' exists with other subjects or another retention than '{retention}'. "
                    + "Remove or rename it, or choose another NatsOptions.Prefix.", TransportError.TopologyMismatch);
            }

            return;
        }
    }

    /// <summary>A consumer that is never changed but for its ack wait.</summary>
    private async ValueTask ConsumerAsync(string stream, string name, string[] filters, TimeSpan ackWait, CancellationToken cancellationToken)
    {
        for (var tries = 0; ; tries++)
        {
            var answer = await api.ConsumerInfoAsync(stream, name, Doing, cancellationToken).ConfigureAwait(false);
            if (answer.ErrorCode == NatsErrors.ConsumerNotFound)
            {
                ThrowUnlessCreating($"the consumer '{name}' of the stream '{stream}'");
                answer = await api.PutConsumerAsync(stream, name, Json.Consumer(stream, name, "all", filters, ackWait), Doing, cancellationToken).ConfigureAwait(false);
                if (answer.ErrorCode is NatsErrors.ConsumerNameInUse or NatsErrors.ConsumerExists && tries < MostTries)
                {
                    await Task.Delay(Pause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                    continue;
                }
            }

            var config = answer.OrThrow(Doing, Where).Root.GetProperty("config");
            if (!Json.FiltersOf(config).SequenceEqual(filters) || config.GetProperty("ack_policy").GetString() != "explicit")
            {
                throw new TransportException(
                    $"Cannot {Doing} on NATS at {Where}: the stream '{stream}' has a consumer '{name}' of another kind. Remove it.", TransportError.TopologyMismatch);
            }

            return;
        }
    }

    /// <summary>
    /// Adds patterns to a queue. The server cannot change a consumer on condition, and a change that comes late would take patterns away again. So
    /// changes come one after another: whoever has written what is being added may change the consumer, until it writes that it is done.
    /// </summary>
    private async ValueTask BindAsync(string queue, List<string> patterns, bool several, CancellationToken cancellationToken)
    {
        var (seen, since) = (0UL, TimeProvider.System.GetTimestamp());
        while (true)
        {
            var now = await registry.GetAsync(queue, Doing, cancellationToken).ConfigureAwait(false) ?? Bindings.None;
            if (seen != now.Sequence)
            {
                (seen, since) = (now.Sequence, TimeProvider.System.GetTimestamp());
            }

            if (now.Adding.Length > 0 && TimeProvider.System.GetElapsedTime(since) < LongestChange)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancellationToken).ConfigureAwait(false);
                continue;
            }

            string[] wanted = [.. now.Patterns.Concat(now.Adding).Concat(patterns).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
            var filters = SubjectFilters.Of(subjects.TopicPrefix, wanted, several);
            var isDone = now.Adding.Length == 0 && wanted.Length == now.Patterns.Length;
            if (wanted.Length == 0 || (isDone && await FitsAsync(queue, filters, cancellationToken).ConfigureAwait(false)))
            {
                return;
            }

            ThrowUnlessCreating($"a binding of the queue '{queue}'");
            var mine = await PutAsync(queue, new(0, now.Patterns, wanted), now.Sequence, cancellationToken).ConfigureAwait(false);
            if (mine > 0)
            {
                await ChangeAsync(queue, filters, cancellationToken).ConfigureAwait(false);
                await PutAsync(queue, new(0, wanted, []), mine, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<bool> FitsAsync(string queue, string[] filters, CancellationToken cancellationToken)
    {
        var answer = await api.ConsumerInfoAsync(subjects.TopicsStream, Subjects.ConsumerOf(queue), Doing, cancellationToken).ConfigureAwait(false);
        return answer.ErrorCode != NatsErrors.ConsumerNotFound
            && Json.FiltersOf(answer.OrThrow(Doing, Where).Root.GetProperty("config")).SequenceEqual(filters);
    }

    private async ValueTask ChangeAsync(string queue, string[] filters, CancellationToken cancellationToken)
    {
        var name = Subjects.ConsumerOf(queue);
        var answer = await api.ConsumerInfoAsync(subjects.TopicsStream, name, Doing, cancellationToken).ConfigureAwait(false);
        var ackWait = answer.IsError ? LongestAckWait : Json.AckWaitOf(answer.Root.GetProperty("config"));
        answer = await api.PutConsumerAsync(
            subjects.TopicsStream, name, Json.Consumer(subjects.TopicsStream, name, "new", filters, ackWait), Doing, cancellationToken).ConfigureAwait(false);
        answer.OrThrow(Doing, Where);
    }

    private ValueTask<ulong> PutAsync(string queue, Bindings bindings, ulong expected, CancellationToken cancellationToken) =>
        api.PutAsync(subjects.OfBindings(queue), bindings.Write(), expected, Doing, cancellationToken);

    private void ThrowUnlessCreating(string what)
    {
        if (!Options.CreateTopology)
        {
            throw new TransportException(
                $"On NATS at {Where} {what} is missing, and NatsOptions.CreateTopology is false. Start once with it, or create it by other means.",
                TransportError.TopologyMismatch);
        }
    }
}
