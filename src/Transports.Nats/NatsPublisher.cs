using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Primitives;
using NATS.Client.Core;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Transports.Nats;

/// <summary>
/// Publishes over one connection, without waiting for one answer before the next message: each has its place to wait (<see cref="Replies"/>),
/// and a batch completes with its last answer.
/// </summary>
internal sealed class NatsPublisher(Links links, Subjects subjects, Registry? registry) : IDisposable
{
    private const string Doing = "publish";
    private const int MostInFlight = 4096;
    private const int MostRemembered = 1024;
    private readonly SemaphoreSlim _room = new(MostInFlight, MostInFlight);
    private readonly ConcurrentDictionary<Destination, string> _subjects = new();

    /// <summary>As <see cref="ITransport.PublishAsync"/>.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        if (batch.IsEmpty)
        {
            return;
        }

        Link link;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            link = await links.GetAsync(Doing, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            results.Span.Fill(new(PublishStatus.NotSent, e));
            return;
        }

        var call = Begin(results);
        for (var i = 0; i < batch.Length; i++)
        {
            if (!_subjects.TryGetValue(batch.Span[i].Destination, out var subject))
            {
                subject = Remember(batch.Span[i].Destination, out var why);
                if (subject is null)
                {
                    call.Set(i, new(PublishStatus.Rejected, new MessagingConfigurationException(why!)));
                    continue;
                }
            }

            if (batch.Span[i].Destination.Kind == DestinationKind.Topic
                && !await RouteAsync(call, batch.Slice(i, 1), i, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            await WriteAsync(link, call, i, subject, batch.Span[i], cancellationToken).ConfigureAwait(false);
        }

        await call.EndAsync(cancellationToken).ConfigureAwait(false);
        Return(call);
    }

    /// <summary>A message from another one, such as its next attempt: the subject and the id by which duplicates are found are given.</summary>
    public ValueTask WriteAsync(
        Link link, PublishCall call, int item, string subject, Envelope envelope, string messageId, TimeSpan delay, int counted, CancellationToken cancellationToken) =>
        WriteAsync(link, call, item, subject, envelope, messageId, delay, counted, DestinationKind.Queue, cancellationToken);

    /// <summary>End it with <see cref="PublishCall.EndAsync"/>, then give it back by <see cref="Return"/>.</summary>
    public PublishCall Begin(Memory<PublishResult> results)
    {
        var call = Pool<PublishCall>.Take() ?? new();
        call.Begin(results, _room, links.Where);
        return call;
    }

    public static void Return(PublishCall call) => Pool<PublishCall>.Give(call);

    public void Dispose() => _room.Dispose();

    private ValueTask WriteAsync(Link link, PublishCall call, int item, string subject, in OutgoingMessage message, CancellationToken cancellationToken)
    {
        var (destination, envelope, delay) = message;
        if (delay <= TimeSpan.Zero)
        {
            delay = TimeSpan.Zero;
        }
        else
        {
            subject = subjects.OfDelayed(destination.Name);
        }

        string id;
        try
        {
            id = HeaderText.Encode(envelope.Id);
        }
        catch (ArgumentException e)
        {
            call.Set(item, new(PublishStatus.Rejected, e));
            return ValueTask.CompletedTask;
        }

        // One stream has all topics, and the same message on another topic is another message.
        id = destination.Kind == DestinationKind.Topic ? string.Concat(destination.Name, ":", id) : id;
        return WriteAsync(link, call, item, subject, envelope, id, delay, 0, destination.Kind, cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    private async ValueTask WriteAsync(
        Link link, PublishCall call, int item, string subject, Envelope envelope, string messageId, TimeSpan delay, int counted,
        DestinationKind kind, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            call.Set(item, new(PublishStatus.NotSent, e));
            return;
        }

        var headers = Pool<NatsHeaders>.Take() ?? new(new Dictionary<string, StringValues>(StringComparer.Ordinal));
        var slot = call.Ask(link, item, kind);
        try
        {
            EnvelopeMapper.Write(headers, envelope, messageId, kind == DestinationKind.Topic, delay, counted);
            await link.WriteAsync(subject, envelope.Body, headers, slot.Subject, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (link.GiveUp(slot, call))
            {
                _room.Release();
                call.Set(item, e switch
                {
                    NatsPayloadTooLargeException => new(PublishStatus.Rejected, TooLarge(link, e)),
                    ArgumentException => new(PublishStatus.Rejected, e),
                    OperationCanceledException when cancellationToken.IsCancellationRequested => new(PublishStatus.NotSent, e),
                    _ => new(PublishStatus.NotSent, links.Failed(e, Doing)),
                });
            }
        }

        headers.Clear();
        Pool<NatsHeaders>.Give(headers);
    }

    private TransportException TooLarge(Link link, Exception error) => new(
        string.Create(CultureInfo.InvariantCulture,
            $"The message with its headers is larger than the server at {links.Where} takes (max_payload = {link.Server.MaxPayload} bytes). Raise it there, or send less."),
        TransportError.Other, error);

    /// <summary>False if the message is dealt with: nobody gets it, or it was parked for each that does.</summary>
    private async ValueTask<bool> RouteAsync(PublishCall call, ReadOnlyMemory<OutgoingMessage> message, int item, CancellationToken cancellationToken)
    {
        var topic = message.Span[0].Destination.Name;
        var delayed = message.Span[0].Delay > TimeSpan.Zero;
        if (registry is null || (!delayed && registry.IsRouted(topic)))
        {
            return true;
        }

        try
        {
            await registry.SyncAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            call.Set(item, new(PublishStatus.NotSent, e));
            return false;
        }

        if (!delayed && registry.IsRouted(topic))
        {
            return true;
        }

        var queues = delayed ? registry.QueuesOf(topic) : [];
        if (queues.Count == 0)
        {
            call.Set(item, new(PublishStatus.Unroutable));
            return false;
        }

        var copies = new OutgoingMessage[queues.Count];
        for (var i = 0; i < copies.Length; i++)
        {
            copies[i] = message.Span[0] with { Destination = Destination.Queue(queues[i]) };
        }

        var results = new PublishResult[copies.Length];
        await PublishAsync(copies, results, cancellationToken).ConfigureAwait(false);
        call.Set(item, PublishCall.Together(results));
        return false;
    }

    private string? Remember(Destination destination, out string? why)
    {
        why = destination.Kind == DestinationKind.Topic ? Names.WhyIllegalTopic(destination.Name) : Names.WhyIllegalQueue(destination.Name);
        if (why is not null)
        {
            return null;
        }

        var subject = destination.Kind == DestinationKind.Topic ? subjects.OfTopic(destination.Name) : subjects.OfQueue(destination.Name);
        if (_subjects.Count < MostRemembered)
        {
            _subjects.TryAdd(destination, subject);
        }

        return subject;
    }
}
