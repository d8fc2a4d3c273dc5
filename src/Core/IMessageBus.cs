using System.Data.Common;

namespace Postrider;

/// <summary>Publishes and sends messages. Thread-safe; one per host, from dependency injection.</summary>
/// <remarks>
/// Both methods return when the broker has the message durably. They wait for the broker, and try transient failures again under the
/// same message id, for at most <see cref="MessagingOptions.PublishTimeout"/>. The messaging host must have been started.
/// </remarks>
public interface IMessageBus
{
    /// <summary>Publishes to a topic, by default the message's own name: every bound queue gets a copy.</summary>
    /// <remarks>A topic without any queue is counted, and an error with <see cref="PublishOptions.RequireSubscribers"/>.</remarks>
    /// <exception cref="PublishException">Not confirmed in time, or refused; <see cref="PublishException.Status"/> tells what is known.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. The message may have been stored.</exception>
    ValueTask<PublishReceipt> PublishAsync<TMessage>(TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull;

    /// <summary>Sends to one queue.</summary>
    /// <exception cref="PublishException">As for publishing; <see cref="PublishStatus.Unroutable"/> if the queue does not exist.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. The message may have been stored.</exception>
    ValueTask<PublishReceipt> SendAsync<TMessage>(
        string queue, TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull;

    /// <summary>
    /// Sends a request to one queue and waits for the answer: <c>await bus.RequestAsync&lt;GetPrice, Price&gt;("pricing", new("apples"))</c>. Its consumer answers by
    /// <see cref="ConsumeContext.RespondAsync"/>.
    /// </summary>
    /// <remarks>
    /// <para><see cref="PublishOptions.TimeToLive"/> is how long the answer is waited for, by default <see cref="MessagingOptions.RequestTimeout"/>, and in a handler of
    /// a request no longer than that one has. It travels with the request: no handler runs after it.</para>
    /// <para>The request is handled at least once, like any message. The answer is this process's: it is lost if that ends.</para>
    /// </remarks>
    /// <exception cref="RequestTimeoutException">No answer came in time.</exception>
    /// <exception cref="RequestFaultedException">The request became a dead letter, or was discarded: there will be no answer.</exception>
    /// <exception cref="MalformedMessageException">The answer is of another type, or cannot be decoded.</exception>
    /// <exception cref="PublishException">As for <see cref="SendAsync"/>; <see cref="PublishStatus.Suppressed"/> if the <see cref="PublishingSwitch"/> is off.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or the host was stopped. The request may be handled.</exception>
    ValueTask<TResponse> RequestAsync<TRequest, TResponse>(
        string queue, TRequest request, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : notnull
        where TResponse : notnull;

    /// <summary>As the other one, published to a topic, by default the request's own name: the first answer counts, later ones are dropped.</summary>
    /// <exception cref="PublishException">As for <see cref="PublishAsync"/>; <see cref="PublishStatus.Unroutable"/> if no queue is bound to the topic.</exception>
    ValueTask<TResponse> RequestAsync<TRequest, TResponse>(TRequest request, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : notnull
        where TResponse : notnull;
}

/// <summary>Proof that a message was accepted.</summary>
/// <param name="MessageId">The message's id.</param>
/// <param name="Status"><see cref="PublishStatus.Stored"/>, <see cref="PublishStatus.Duplicate"/>, <see cref="PublishStatus.Suppressed"/>, or
/// <see cref="PublishStatus.Unroutable"/> for a topic without any queue.</param>
public readonly record struct PublishReceipt(string MessageId, PublishStatus Status);

/// <summary>Options of one publish or send. What is null is as <see cref="MessagingBuilder.PublishDefaults"/> and its neighbours say, or else as told here.</summary>
public sealed record PublishOptions
{
    /// <summary>Publish to this topic instead of the message's own name. Not for sends.</summary>
    public string? Topic { get; init; }

    /// <summary>The name of the transport to use, one that this host uses. Null: that of the queue or topic, by default the host's default one.</summary>
    public string? Transport { get; init; }

    /// <summary>The message's id; made if null.</summary>
    public string? MessageId { get; init; }

    /// <summary>
    /// Ties the messages of one flow together. Null: inside a consumer that of the handled message, or else its id, which began the flow; none elsewhere.
    /// </summary>
    public string? CorrelationId { get; init; }

    /// <summary>The id of the message that caused this one. Null: inside a consumer that of the handled message; none elsewhere.</summary>
    public string? CausationId { get; init; }

    /// <summary>The queue that an answer goes to.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>What the message belongs to with others.</summary>
    public string? Key { get; init; }

    /// <summary>How urgent it is, 0 to 9, and 9 goes first: in queues that have priorities (<see cref="ConsumerOptions.Priority"/>). Null: 4.</summary>
    public int? Priority { get; init; }

    /// <summary>What the message is about.</summary>
    public string? Subject { get; init; }

    /// <summary>When what it tells happened, if that is not now.</summary>
    public DateTimeOffset? OccurredAt { get; init; }

    /// <summary>
    /// The media type of the body. For a message that is serialized it chooses the serializer; for text and bytes it is what they are, by default
    /// <c>text/plain; charset=utf-8</c> and <c>application/octet-stream</c>.
    /// </summary>
    public string? ContentType { get; init; }

    /// <summary>The stable name of the type of a message that is text or bytes. Others have their own.</summary>
    public string? MessageType { get; init; }

    /// <summary>
    /// The user's own headers, with those of the defaults that they do not name. Limits: <see cref="MessagingOptions.MaxHeaders"/> and its neighbours.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Headers { get; init; }

    /// <summary>How long it stays invisible, from its storing on; null: not at all. Which queues get it is decided now.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>Until when it stays invisible, by this host's clock; instead of <see cref="Delay"/>.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>
    /// How long it is of use, from when it is visible on; null: for ever. It is checked, by the consumer's clock, each time it is handed out: no handler gets it later.
    /// For a request it is how long its answer is waited for; null: <see cref="MessagingOptions.RequestTimeout"/>.
    /// </summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>
    /// Publish within this transaction, on its connection: the message is there when it commits, and gone when it rolls back. It must be on the transport's own
    /// database, with no other command running on the connection. Nothing is tried again: a publish that fails once it has reached the server, or is
    /// cancelled there, has aborted the transaction, as any failed statement (a savepoint saves it). A delay counts from the publish, not from the commit.
    /// </summary>
    public DbTransaction? Transaction { get; init; }

    /// <summary>
    /// Whether a publish below a transactional handler joins the handler's transaction. If not it is stored at once, whatever becomes of the transaction.
    /// </summary>
    public bool JoinTransaction { get; init; } = true;

    /// <summary>Make a topic without any queue an error; null: it is none.</summary>
    public bool? RequireSubscribers { get; init; }
}
