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
        var source = onTopic ? session.Topics ?? session.Ready : session.Ready;
        if (!Position.TryParse(ackSubject, source.Stream, out var position))
        {
            return;
        }

        var topic = onTopic ? subject[_subjects.TopicPrefix.Length..] : null;
        var read = _reader.Read(headers, body.ToArray(), topic, position);
        NatsDelivery delivery;
        lock (_gate)
        {
            delivery = new NatsDelivery(this, read.Envelope, position, read.Counted, ackSubject, onTopic, source.OldestPull);
            source.Took();
            if (topic is null || _bindings.Matches(topic))
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

        var source = pull is "t" ? session.Topics ?? session.Ready : session.Ready;
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
            if (session.Outstanding == 0 && _buffer.Count == 0 && _suspects.Count == 0)
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
        _bindings = await BindingsAsync(cancellationToken).ConfigureAwait(false);
        var readyWait = await AckWaitAsync(_stream, Subjects.Ready, cancellationToken).ConfigureAwait(false);
        TimeSpan? topicsWait = _bindings.Patterns.Length + _bindings.Adding.Length == 0 ? null
            : await TopicsAckWaitAsync(cancellationToken).ConfigureAwait(false);
        if (_session is { IsRebound: true } current && current.Link == link)
        {
            if (topicsWait is { } added && current.Topics is null)
            {
                current.Topics = new(_subjects.TopicsStream, Subjects.ConsumerOf(Queue), _inbox + ".t", added);
                _keeper.Begin(current.ShortestAckWait);
            }

            current.IsRebound = false;
            return current;
        }

        _inbox = "_INBOX." + Guid.NewGuid().ToString("N");
        PullInbox? inbox = null;
        var session = default(ReceiverSession);
        await link.SubscribeAsync(connection => inbox = new PullInbox(connection, _inbox, this, Queue, _log), cancellationToken).ConfigureAwait(false);
        NatsSubBase? notice = null;
        await link.SubscribeAsync(
            connection => notice = new Notice(connection, _subjects.OfBindings(Queue), () =>
            {
                if (Volatile.Read(ref session) is { } mine)
                {
                    mine.IsRebound = true;
                    _signal.Set();
                }
            }), cancellationToken).ConfigureAwait(false);
        session = new(
            link, inbox!, notice!, new(_stream, Subjects.Ready, _inbox + ".q", readyWait),
            topicsWait is { } wait ? new(_subjects.TopicsStream, Subjects.ConsumerOf(Queue), _inbox + ".t", wait) : null);
        _keeper.Begin(session.ShortestAckWait);
        return _session = session;
    }

    private string _inbox = "";

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
