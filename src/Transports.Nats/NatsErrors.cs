using System.Net.Sockets;
using System.Security.Authentication;
using NATS.Client.Core;
using NATS.NKeys;

namespace Postrider.Transports.Nats;

/// <summary>Turns what NATS.Net throws and what the server answers into <see cref="TransportException"/>: what, where, and what to do.</summary>
internal static class NatsErrors
{
    // The server's err_code, where there are several of one code.
    public const int StreamNotFound = 10059;
    public const int StreamNameInUse = 10058;
    public const int ConsumerNotFound = 10014;
    public const int ConsumerNameInUse = 10013;
    public const int ConsumerExists = 10148;
    public const int MessageNotFound = 10037;
    public const int SequenceNotFound = 10043;
    public const int WrongLastSequence = 10071;
    public const int DeleteFailed = 10057;
    private const int JetStreamNotEnabled = 10076;
    private const int JetStreamNotEnabledForAccount = 10039;
    public const int SubjectOverlap = 10065;
    private const int StoreFailed = 10077;

    /// <param name="error">What was thrown.</param>
    /// <param name="doing">What was tried, to follow "Cannot": <c>publish</c>, <c>receive from 'orders'</c>.</param>
    /// <param name="where">Hosts and ports.</param>
    public static TransportException Map(Exception error, string doing, string where)
    {
        if (error is TransportException mapped)
        {
            return mapped;
        }

        var (reason, advice) = Root(error) switch
        {
            NatsServerException { IsAuthError: true } => (TransportError.CredentialsRefused, "Check user and password, token, nkey or credentials file, and whether they have expired."),
            NatsServerException server when server.Error.Contains("permissions violation", StringComparison.Ordinal) =>
                (TransportError.CredentialsRefused, "Give the user the right to publish and subscribe to these subjects (see docs/nats.md)."),
            NKeysException or FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException =>
                (TransportError.CredentialsRefused, "The credentials cannot be used. Correct NatsOptions.NKeySeed, NKeyFile or CredentialsFile."),
            AuthenticationException => (TransportError.Unavailable, "The TLS handshake failed. Does the server ask for a client's certificate (TlsOptions)?"),
            TimeoutException or NatsTimeoutException => (TransportError.Timeout, "The server did not answer in time. Raise ConnectTimeout or CommandTimeout if this persists."),
            NatsPayloadTooLargeException => (TransportError.Other, "Raise the server's max_payload, or send less."),
            ObjectDisposedException => (TransportError.Unavailable, "The connection was closed."),
            NatsException or SocketException or IOException or OperationCanceledException => (TransportError.Unavailable, "Is the server running and reachable?"),
            // The client's own exceptions that are not public tell of a closed socket.
            var root when root.GetType().Assembly == typeof(NatsException).Assembly => (TransportError.Unavailable, "Is the server running and reachable?"),
            _ => (TransportError.Other, "See the inner exception."),
        };
        return new TransportException($"Cannot {doing} on NATS at {where}: {Root(error).Message.TrimEnd('.')}. {advice}", reason, error);
    }

    /// <summary>An answer of the JetStream API, or of a stream to a publish, that says no.</summary>
    public static TransportException OfAnswer(int code, int errorCode, string description, string doing, string where)
    {
        var (reason, advice) = errorCode switch
        {
            StreamNotFound or ConsumerNotFound => (TransportError.QueueNotFound, "Declare the queue first."),
            JetStreamNotEnabled or JetStreamNotEnabledForAccount =>
                (TransportError.TopologyMismatch, "JetStream is not enabled. Start the server with -js or with 'jetstream {}' in its configuration, and enable it for the account."),
            StreamNameInUse or ConsumerNameInUse or ConsumerExists or SubjectOverlap =>
                (TransportError.TopologyMismatch, "Something else exists under this name or takes these subjects. Remove it, or choose another NatsOptions.Prefix."),
            StoreFailed => (TransportError.Unavailable, "The server cannot store it at present: it is out of space, or shutting down."),
            // Insufficient resources, no leader, limits that pass: codes of 500 and more are the server's own trouble.
            _ when code >= 500 => (TransportError.Unavailable, "The server cannot do it at present; it may lack disk, memory or a leader."),
            _ => (TransportError.Other, "See the server's documentation for this error code."),
        };
        return new TransportException($"Cannot {doing} on NATS at {where}: {description.TrimEnd('.')} ({errorCode}). {advice}", reason);
    }

    /// <summary>Nobody listens to the JetStream API.</summary>
    public static TransportException NoJetStream(string doing, string where) => new(
        $"Cannot {doing} on NATS at {where}: nobody answers for JetStream. "
        + "JetStream is not enabled. Start the server with -js or with 'jetstream {}' in its configuration, and enable it for the account.",
        TransportError.TopologyMismatch);

    /// <summary>The user may not publish there, which the server tells the connection only.</summary>
    public static TransportException NotAllowed(string subject, string doing, string where) => new(
        $"Cannot {doing} on NATS at {where}: the user may not publish to '{subject}'. Give the user the right to publish and subscribe to these subjects (see docs/nats.md).",
        TransportError.CredentialsRefused);

    /// <summary>The subject of the server's words that the user may not publish to it, or null.</summary>
    public static string? SubjectNotAllowed(string error)
    {
        const string begin = "Permissions Violation for Publish to \"";
        var end = error.LastIndexOf('"');
        return error.StartsWith(begin, StringComparison.OrdinalIgnoreCase) && end > begin.Length ? error[begin.Length..end] : null;
    }

    public static TransportException Lost(string doing, string where) => new(
        $"Cannot {doing} on NATS at {where}: the connection was lost. Is the server running and reachable?", TransportError.Unavailable);

    public static TransportException TimedOut(string doing, string where) => new(
        $"Cannot {doing} on NATS at {where}: no answer came in time. Raise CommandTimeout if this persists.", TransportError.Timeout);

    /// <summary>The innermost that says more than its wrappers do.</summary>
    private static Exception Root(Exception error)
    {
        var root = error;
        while (root.InnerException is { } inner && root is NatsException or AggregateException)
        {
            root = inner;
        }

        return root;
    }
}
