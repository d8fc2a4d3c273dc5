using System.Data.Common;
using Postrider.Core.Consuming;
using Postrider.Core.Requests;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>The delivery that is being handled. Valid until the handler returns; not thread-safe.</summary>
public sealed class ConsumeContext
{
    private int _cancelledBy;

    internal ConsumeContext(InFlight place) => Place = place;

    /// <summary>
    /// The message's metadata and raw body, as it was before its content encoding; of a message that an <see cref="IEnvelopeDecoder"/> took, what that made of it.
    /// </summary>
    public Envelope Envelope { get; internal set; } = null!;

    /// <summary>The message's id.</summary>
    public string MessageId => Envelope.Id;

    /// <summary>The stable name of its type, or null for a foreign message that names none.</summary>
    public string? MessageType => Envelope.Type;

    /// <summary>Which version of its type's schema it has; 1 if nobody said.</summary>
    public int SchemaVersion => Envelope.SchemaVersion ?? 1;

    /// <summary>The application that sent it.</summary>
    public string? Source => Envelope.Source;

    /// <summary>When what it tells happened: when it was sent, unless the publisher said otherwise.</summary>
    public DateTimeOffset? OccurredAt => Envelope.OccurredAt ?? Envelope.SentAt;

    /// <summary>When it was sent, on the publisher's clock; null for a foreign message.</summary>
    public DateTimeOffset? SentAt => Envelope.SentAt;

    /// <summary>From when on no handler gets it; null: never.</summary>
    public DateTimeOffset? ExpiresAt => Envelope.ExpiresAt;

    /// <summary>The topic it was published to; null when it was sent to the queue.</summary>
    public string? Topic => Envelope.Topic;

    /// <summary>What it belongs to with others.</summary>
    public string? Key => Envelope.Key;

    /// <summary>What it is about.</summary>
    public string? Subject => Envelope.Subject;

    /// <summary>How urgent it is, 0 to 9, whether or not the queue has priorities.</summary>
    public int Priority => Priorities.LevelOf(Envelope);

    /// <summary>The media type of its body.</summary>
    public string? ContentType => Envelope.ContentType;

    /// <summary>How its body was encoded on the wire on top of that; all that reads it sees it without.</summary>
    public string? ContentEncoding => Delivery.Envelope.ContentEncoding;

    /// <summary>Ties the messages of one flow together.</summary>
    public string? CorrelationId => Envelope.CorrelationId;

    /// <summary>The id of the message that caused it.</summary>
    public string? CausationId => Envelope.CausationId;

    /// <summary>The queue that an answer goes to.</summary>
    public string? ReplyTo => Envelope.ReplyTo;

    /// <summary>The queue it came from.</summary>
    public string Queue => Delivery.Queue;

    /// <summary>Where the broker has it, for people to find it; null where it has no such place.</summary>
    public string? BrokerPosition => Delivery.BrokerPosition;

    /// <summary>The name of the consumer that handles it.</summary>
    public string Consumer { get; internal set; } = null!;

    /// <summary>1 for the first handler run, 2 for the first retry.</summary>
    public int Attempt => Place.Attempt;

    /// <summary>Hand-outs that ended without an outcome.</summary>
    public int Redeliveries => Delivery.Redeliveries;

    /// <summary>The user's own headers.</summary>
    public IReadOnlyDictionary<string, string> Headers => Envelope.Headers;

    /// <summary>The delivery's own dependency injection scope.</summary>
    public IServiceProvider Services { get; internal set; } = null!;

    /// <summary>
    /// The transaction of a transactional consumer (<see cref="ConsumerOptions.Transactional"/>), else null. Write in it, with one command at a time on its
    /// connection; set savepoints; leave its commit and rollback to the outcome. What is published below the handler joins it by itself.
    /// </summary>
    public DbTransaction? Transaction { get; internal set; }

    internal Delivery Delivery { get; set; } = null!;

    internal TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Cancelled when the lease was lost, when the drain at shutdown ran out of time, or by <see cref="HandlerTimeout"/>.</summary>
    public CancellationToken CancellationToken { get; internal set; }

    /// <summary>Why <see cref="CancellationToken"/> was cancelled. Thread-safe.</summary>
    public CancellationCause CancelledBy => (CancellationCause)Volatile.Read(ref _cancelledBy);

    internal LeaseRenewer? Leases { get; set; }

    internal InFlight Place { get; }

    internal Responder? Responder { get; set; }

    internal bool IsAnswered { get; set; }

    /// <summary>
    /// Answers a request: sends to <see cref="ReplyTo"/>, on the transport that the request came on. Answer once, and be ready to do so again: a handler that fails
    /// afterwards runs again, and the requester takes the first answer. The answer has the rest of the request's time.
    /// </summary>
    /// <returns>False if nobody waits for an answer: the message asks for none, its time is over, or its queue for answers is gone or none.</returns>
    /// <exception cref="InvalidOperationException">It was answered before, in this run.</exception>
    /// <exception cref="PublishException">As for <see cref="IMessageBus.SendAsync"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. The answer may have been sent.</exception>
    public async ValueTask<bool> RespondAsync<TResponse>(TResponse answer, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TResponse : notnull
    {
        if (IsAnswered)
        {
            throw new InvalidOperationException($"The request {MessageId} of '{Queue}' was answered before. It takes one answer.");
        }

        // A context that a test made has nobody to answer to.
        IsAnswered = Responder is { } responder && await responder.RespondAsync(this, answer, options, cancellationToken).ConfigureAwait(false);
        return IsAnswered;
    }

    /// <summary>
    /// Starts the lease anew, by <see cref="ConsumerOptions.Lease"/> from now on. Only needed with <see cref="ConsumerOptions.RenewLease"/> off; may be called at any
    /// time while the handler runs.
    /// </summary>
    /// <returns>Whether the delivery is still ours. Where a broker has no leases to renew: whether it has not been lost yet.</returns>
    /// <exception cref="TransportException">The broker could not be told.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; it may have been renewed.</exception>
    public ValueTask<bool> RenewLeaseAsync(CancellationToken cancellationToken = default) =>
        Leases is { } leases ? leases.RenewAsync(Place, cancellationToken) : new(!Place.LeaseLost);

    /// <summary>The first cause counts.</summary>
    internal void SetCancelledBy(CancellationCause cause) => Interlocked.CompareExchange(ref _cancelledBy, (int)cause, (int)CancellationCause.None);

    internal void ClearCancelledBy() => Volatile.Write(ref _cancelledBy, (int)CancellationCause.None);
}

/// <summary>Why a handler was cancelled.</summary>
public enum CancellationCause
{
    /// <summary>It was not.</summary>
    None,

    /// <summary>The drain at shutdown ran out of time: the message goes back untouched.</summary>
    Shutdown,

    /// <summary>The time of <see cref="HandlerTimeout"/> is over: this run has failed.</summary>
    Timeout,

    /// <summary>The lease is over, and another may hold the message: what comes of this run is not told to the broker.</summary>
    LeaseLost,
}
