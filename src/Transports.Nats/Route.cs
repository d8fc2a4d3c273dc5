using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Where those messages of one call go of which that depends on bindings and levels. A topic's message that is delayed is parked for each queue that it is for. One
/// that has another priority than the default is stored in the level of each queue that has levels; for other queues it goes to the topic, as all do, so that their
/// order is kept, and says there who has it already.
/// </summary>
/// <remarks>
/// The server is asked once for each call, as copies for queues that were not known here would be lost. A queue that gets levels at this moment may have the
/// message in its default level.
/// </remarks>
internal sealed class Route(Registry registry, Subjects subjects, int count)
{
    /// <summary>The messages of which there are more copies than one: the results of these follow after those of the messages.</summary>
    private readonly List<int> _copies = [];
    private Exception? _error;
    private bool _asked;

    public bool HasCopies => _copies.Count > 0;

    /// <param name="call">Takes the message, or its copies.</param>
    /// <param name="index">Of the message.</param>
    /// <param name="subject">What it goes to if it is nothing special.</param>
    /// <param name="id">By which the server finds duplicates. Copies have it too, so that those of a second try are known where the first one came to.</param>
    /// <param name="one">The message.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its result, if it goes nowhere.</returns>
    public async ValueTask<PublishResult?> AddAsync(
        PublishCall call, int index, string subject, string id, ReadOnlyMemory<OutgoingMessage> one, CancellationToken cancellationToken)
    {
        var (destination, envelope, delay) = one.Span[0];
        var (kind, name) = destination;
        var level = Priorities.LevelOf(envelope);
        if (kind == DestinationKind.Queue && registry.HasLevels(name))
        {
            call.Add(new(subjects.OfLevel(name, level), envelope, id, kind, index));
            return null;
        }

        if (await AskAsync(cancellationToken).ConfigureAwait(false) is { } error)
        {
            return new(PublishStatus.NotSent, error);
        }

        if (kind == DestinationKind.Queue)
        {
            call.Add(new(registry.HasLevels(name) ? subjects.OfLevel(name, level) : subject, envelope, id, kind, index));
            return null;
        }

        var delayed = delay > TimeSpan.Zero;
        var queues = delayed || level != Priorities.Default ? registry.QueuesOf(name) : [];
        var copied = delayed ? queues : queues.FindAll(registry.HasLevels);
        if (delayed ? queues.Count == 0 : !registry.IsRouted(name))
        {
            return new(PublishStatus.Unroutable);
        }

        if (copied.Count == 0 || copied.Count < queues.Count)
        {
            call.Add(new(subject, envelope, id, kind, index, Copied: copied.Count == 0 ? null : string.Join(',', copied)));
        }

        for (var i = 0; i < copied.Count; i++)
        {
            var place = index;
            if (i > 0 || copied.Count < queues.Count)
            {
                place = count + _copies.Count;
                _copies.Add(index);
            }

            call.Add(new(
                delayed ? subjects.OfDelayed(copied[i]) : subjects.OfLevel(copied[i], level), envelope, id, DestinationKind.Queue, place, delayed ? delay : default));
        }

        return null;
    }

    /// <summary>As <see cref="NatsPublisher.SendAsync"/>, with one result of all copies of a message.</summary>
    public async ValueTask SendAsync(NatsPublisher publisher, PublishCall call, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var all = new PublishResult[count + _copies.Count];
        results.CopyTo(all);
        await publisher.SendAsync(call, all, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < _copies.Count; i++)
        {
            ref var result = ref all[_copies[i]];
            result = PublishCall.Together(result, all[count + i]);
        }

        all.AsSpan(0, count).CopyTo(results.Span);
    }

    private async ValueTask<Exception?> AskAsync(CancellationToken cancellationToken)
    {
        if (!_asked)
        {
            _asked = true;
            try
            {
                await registry.SyncAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                _error = e;
            }
        }

        return _error;
    }
}
