using System.Buffers;
using System.Text;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <content>Opening on a connection, and what comes from it.</content>
internal sealed partial class NatsReceiver
{
    void IPullSink.Take(string subject, string ackSubject, ReadOnlySpan<byte> headers, in ReadOnlySequence<byte> body)
    {
        if (_session is not { } session)
        {
            return;
        }

        var onTopic = subject.StartsWith(_subjects.TopicPrefix, StringComparison.Ordinal);
        var level = onTopic ? Priorities.Default : Subjects.LevelOf(subject);
        var source = session.Of(onTopic ? ReceiverSession.Topics : ReceiverSession.TagOf(level));
        if (!Position.TryParse(ackSubject, source.Stream, out var position))
        {
            return;
        }

        var topic = onTopic ? subject[_subjects.TopicPrefix.Length..] : null;
        var read = _reader.Read(headers, body.ToArray(), topic, position);
        // Another client may have put it into a level without a word in the message.
        var envelope = level == Priorities.Default || read.Envelope.Priority is not null ? read.Envelope : read.Envelope with { Priority = level };
        lock (_gate)
        {
            var delivery = new NatsDelivery(this, envelope, position, read.Counted, ackSubject, source.Tag, source.OldestPull);
            source.Took();
            if (topic is not null && read.IsCopiedFor(Queue))
            {
                Doubt(delivery, null);
            }
            else if (topic is null || _bindings.Matches(topic))
            {
                Keep(delivery);
            }
            else
            {
                Doubt(delivery, topic);
            }
        }

        _signal.Set();
    }

    void IPullSink.Hear(ReadOnlySpan<char> pull, int code, ReadOnlySpan<byte> headers)
    {
        if (_session is not { } session)
        {
            return;
        }

        var source = session.Of(pull[0]);
        switch (code)
        {
            case 100:
                return;
            case 503:
                Fault(session, Gone(source, "no such consumer"));
                return;
            case 409 when headers.IndexOf("Consumer Deleted"u8) >= 0 || headers.IndexOf("push based"u8) >= 0:
                Fault(session, Gone(source, "the consumer was deleted"));
                return;
            case 400:
                Fault(session, new($"Cannot {_doing} on NATS at {_links.Where}: the server refuses the pull: {Encoding.UTF8.GetString(headers)}", TransportError.Other));
                return;
        }

        lock (_gate)
        {
            source.Ended(headers, inTime: code == 408);
            if (code == 408 && session.Outstanding == 0 && _buffer.Count == 0 && _suspects.Count == 0)
            {
                _pull = _pull * 2 > LongestPull ? LongestPull : _pull * 2;
            }
        }

        _signal.Set();
    }

    private TransportException Gone(PullSource source, string why) => new(
        $"Cannot {_doing} on NATS at {_links.Where}: {why} (stream '{source.Stream}'). Declare the queue again.", TransportError.QueueNotFound);

    /// <summary>The session on the current connection; checks and subscribes if that is new.</summary>
    private ValueTask<ReceiverSession> SessionAsync(CancellationToken cancellationToken) =>
        _session is { IsUsable: true } session ? new(session) : OpenSessionAsync(cancellationToken);

    private async ValueTask<ReceiverSession> OpenSessionAsync(CancellationToken cancellationToken)
    {
        if (_session is { Fault: { } fault })
        {
            // A new receiver is needed, but for what passes.
            _session = fault.IsTransient ? null : _session;
            throw fault;
        }

        var link = await _links.GetAsync(_doing, cancellationToken).ConfigureAwait(false);
        var isNew = _session is not { IsRebound: true } current || current.Link != link;
        // News are listened to before anything is read, so that none is missed.
        var session = isNew ? await SubscribeAsync(link, cancellationToken).ConfigureAwait(false) : _session!;
        session.IsRebound = false;
        try
        {
            await AddSourcesAsync(session, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception)
        {
            session.IsRebound = true;
            if (isNew)
            {
                await session.CloseAsync().ConfigureAwait(false);
            }

            throw;
        }

        _keeper.Begin(session.ShortestAckWait);
        return _session = session;
    }

    private async ValueTask<ReceiverSession> SubscribeAsync(Link link, CancellationToken cancellationToken)
    {
        var session = new ReceiverSession(link);
        await session.SubscribeAsync(connection => new PullInbox(connection, session.Inbox, this, Queue, _log), cancellationToken).ConfigureAwait(false);
        foreach (var name in (string[])[Queue, Subjects.LevelsOf(Queue)])
        {
            await session.SubscribeAsync(connection => new Notice(connection, _subjects.OfBindings(name), Heard), cancellationToken).ConfigureAwait(false);
        }

        return session;

        void Heard()
        {
            session.IsRebound = true;
            _signal.Set();
        }
    }

    /// <summary>Adds what the queue has and the session does not have yet.</summary>
    private async ValueTask AddSourcesAsync(ReceiverSession session, CancellationToken cancellationToken)
    {
        _bindings = await BindingsAsync(cancellationToken).ConfigureAwait(false);
        List<PullSource> added = [];
        if (!session.Has(ReceiverSession.Ready))
        {
            var wait = await AckWaitAsync(_stream, Subjects.Ready, cancellationToken).ConfigureAwait(false);
            added.Add(new(_stream, Subjects.Ready, session.Inbox, ReceiverSession.Ready, wait));
        }

        if (!session.Has(ReceiverSession.Topics) && _bindings.Patterns.Length + _bindings.Adding.Length > 0
            && await TopicsAckWaitAsync(cancellationToken).ConfigureAwait(false) is { } topicsWait)
        {
            added.Add(new(_subjects.TopicsStream, Subjects.ConsumerOf(Queue), session.Inbox, ReceiverSession.Topics, topicsWait));
        }

        if (!session.HasLevels && !Names.IsDeadLetterQueue(Queue) && await _registry.HasLevelsAsync(Queue, _doing, cancellationToken).ConfigureAwait(false))
        {
            added.AddRange(await LevelSourcesAsync(session.Inbox, cancellationToken).ConfigureAwait(false));
        }

        session.Add(added);
        _ready.HasLevels = session.HasLevels;
    }

    private async ValueTask<Bindings> BindingsAsync(CancellationToken cancellationToken) =>
        Names.IsDeadLetterQueue(Queue) ? Bindings.None : await _registry.GetAsync(Queue, _doing, cancellationToken).ConfigureAwait(false) ?? Bindings.None;

    private async ValueTask<TimeSpan?> TopicsAckWaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await AckWaitAsync(_subjects.TopicsStream, Subjects.ConsumerOf(Queue), cancellationToken).ConfigureAwait(false);
        }
        catch (TransportException e) when (e.Reason == TransportError.QueueNotFound && _bindings.Patterns.Length == 0)
        {
            // It is being made; we hear of it when it is.
            return null;
        }
    }

    /// <summary>
    /// How long the server waits for a sign of whoever holds a message. Never longer than the shortest lease that was asked for: a longer lease is kept
    /// up by us (<see cref="LeaseKeeper"/>), a shorter one could not be.
    /// </summary>
    private async ValueTask<TimeSpan> AckWaitAsync(string stream, string consumer, CancellationToken cancellationToken)
    {
        var answer = (await _api.ConsumerInfoAsync(stream, consumer, _doing, cancellationToken).ConfigureAwait(false)).OrThrow(_doing, _links.Where);
        var config = answer.Root.GetProperty("config");
        var wait = Json.AckWaitOf(config);
        if (wait <= Lease)
        {
            return wait;
        }

        var changed = Json.WithAckWait(stream, config, Lease);
        answer = await _api.PutConsumerAsync(stream, consumer, changed, _doing, cancellationToken).ConfigureAwait(false);
        return Json.AckWaitOf(answer.OrThrow(_doing, _links.Where).Root.GetProperty("config"));
    }

    /// <summary>Tells that something was written to a subject.</summary>
    private sealed class Notice(NatsConnection connection, string subject, Action heard)
        : NatsSubBase(connection, connection.SubscriptionManager, subject, null, null)
    {
        protected override ValueTask ReceiveInternalAsync(string subject, string? replyTo, ReadOnlySequence<byte>? headersBuffer, ReadOnlySequence<byte> payloadBuffer)
        {
            heard();
            return default;
        }

        protected override void TryComplete()
        {
        }
    }
}
