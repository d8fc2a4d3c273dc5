namespace Postrider;

/// <summary>The base of all exceptions that Postrider throws on purpose.</summary>
public abstract class MessagingException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>The registration, an option or a name is wrong. Thrown at start or at the call; never transient.</summary>
public sealed class MessagingConfigurationException(string message, Exception? innerException = null) : MessagingException(message, innerException);

/// <summary>A message was not published.</summary>
public sealed class PublishException(string message, string messageId, PublishStatus status, Exception? innerException = null)
    : MessagingException(message, innerException)
{
    /// <summary>The id under which it was tried; publish again under the same id to let the broker or an inbox find duplicates.</summary>
    public string MessageId { get; } = messageId;

    /// <summary>What is known.</summary>
    public PublishStatus Status { get; } = status;
}

/// <summary>A request was not answered in time. It may have been handled, or may yet be if its consumer had begun.</summary>
public sealed class RequestTimeoutException(string message, string messageId, Exception? innerException = null) : MessagingException(message, innerException)
{
    /// <summary>The request's id.</summary>
    public string MessageId { get; } = messageId;
}

/// <summary>A request has failed for good: it is a dead letter, or was discarded. Tells what is known there, but for the stack trace.</summary>
public sealed class RequestFaultedException(
    string message, string messageId, DeadLetterReason? reason = null, string? description = null, string? exceptionType = null, string? exceptionMessage = null)
    : MessagingException(message)
{
    /// <summary>The request's id.</summary>
    public string MessageId { get; } = messageId;

    /// <summary>Why; null if that is not one of the known codes.</summary>
    public DeadLetterReason? Reason { get; } = reason;

    /// <summary>Why, in words.</summary>
    public string? Description { get; } = description;

    /// <summary>The full name of the type of the consumer's exception, if there was one.</summary>
    public string? ExceptionType { get; } = exceptionType;

    /// <summary>The message of the consumer's exception.</summary>
    public string? ExceptionMessage { get; } = exceptionMessage;
}

/// <summary>A body cannot be decoded. The message goes to the dead-letter queue at once, its bytes kept.</summary>
public sealed class MalformedMessageException(string message, Exception? innerException = null) : MessagingException(message, innerException);

/// <summary>
/// A message has an older version than its consumer takes, and no upcaster is registered. It is a dead letter (<see cref="DeadLetterReason.NonRetryable"/>) at once.
/// </summary>
public sealed class UnsupportedVersionException(string message) : MessagingException(message);

/// <summary>
/// A message refers to an entity that does not exist or that it must not refer to. It is a dead letter (<see cref="DeadLetterReason.NonRetryable"/>) at once.
/// </summary>
public sealed class EntityReferenceException(string message) : MessagingException(message);

/// <summary>The broker could not do what was asked. Messages never contain secrets.</summary>
public sealed class TransportException(string message, TransportError reason, Exception? innerException = null)
    : MessagingException(message, innerException)
{
    /// <summary>What went wrong.</summary>
    public TransportError Reason { get; } = reason;

    /// <summary>Waiting may help: the broker is away or busy.</summary>
    public bool IsTransient => Reason is TransportError.Unavailable or TransportError.Timeout;

    /// <summary>Waiting cannot help: the host stops with <see cref="ExitCode"/>.</summary>
    public bool IsFatal => Reason
        is TransportError.CredentialsRefused or TransportError.NotTrusted or TransportError.TopologyMismatch or TransportError.SchemaMismatch;

    /// <summary>The process exit code for this reason, after <c>sysexits.h</c>: 69 unavailable, 77 credentials, 78 configuration.</summary>
    public int ExitCode => Reason switch
    {
        TransportError.CredentialsRefused or TransportError.NotTrusted => 77,
        TransportError.TopologyMismatch or TransportError.SchemaMismatch => 78,
        _ => 69,
    };
}

/// <summary>The state store could not do what was asked. Messages never contain secrets.</summary>
public sealed class StateStoreException(string message, bool isTransient, Exception? innerException = null) : MessagingException(message, innerException)
{
    /// <summary>Waiting may help: the server is away or busy.</summary>
    public bool IsTransient { get; } = isTransient;
}

/// <summary>What went wrong with a broker.</summary>
public enum TransportError
{
    /// <summary>It cannot be reached, is starting or stopping, or the connection broke.</summary>
    Unavailable,

    /// <summary>It did not answer in time, or no connection of the pool came free in time.</summary>
    Timeout,

    /// <summary>It refuses the credentials, or they lack a right.</summary>
    CredentialsRefused,

    /// <summary>Its certificate is not valid, not for this host, or not from an authority that is trusted.</summary>
    NotTrusted,

    /// <summary>Something else exists under a name that is needed.</summary>
    TopologyMismatch,

    /// <summary>Its schema or version is not one that this version can work with.</summary>
    SchemaMismatch,

    /// <summary>The queue does not exist.</summary>
    QueueNotFound,

    /// <summary>Anything else; the message and inner exception tell.</summary>
    Other,
}
