using System.Net.Sockets;
using System.Threading.Channels;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Postrider.Transports.RabbitMq;

/// <summary>Turns what RabbitMQ.Client throws into <see cref="TransportException"/>: what, where, and what to do.</summary>
internal static class RabbitMqErrors
{
    public const ushort AccessRefused = 403;
    public const ushort NotFound = 404;
    public const ushort ResourceLocked = 405;
    public const ushort PreconditionFailed = 406;
    public const ushort NotAllowed = 530;

    /// <param name="error">What was thrown.</param>
    /// <param name="doing">What was tried, to follow "Cannot": <c>publish</c>, <c>receive from 'orders'</c>.</param>
    /// <param name="where">Host, port and virtual host.</param>
    public static TransportException Map(Exception error, string doing, string where)
    {
        if (error is TransportException mapped)
        {
            return mapped;
        }

        if (Find<AuthenticationFailureException>(error) is not null)
        {
            return Make(doing, where, "it refuses the credentials", "Check user, password and virtual host.", TransportError.CredentialsRefused, error);
        }

        if (Find<OperationInterruptedException>(error) is { ShutdownReason: { } reason })
        {
            return Closed(reason, doing, where, error);
        }

        var (kind, advice) = Root(error) switch
        {
            ChannelAllocationException => (TransportError.Other, "The connection has no channel left: each consumed queue takes one. Use fewer queues in one process, or raise channel_max on the server."),
            TimeoutException or OperationCanceledException => (TransportError.Timeout, "No answer came in time. Raise the time-out if this persists."),
            ObjectDisposedException => (TransportError.Other, "The transport has been disposed of."),
            // A broker that ends the handshake is starting or stopping; a refusal of credentials is said explicitly.
            PossibleAuthenticationFailureException or PacketNotRecognizedException or SocketException or IOException or ChannelClosedException
                or BrokerUnreachableException or ConnectFailureException or AlreadyClosedException or OperationInterruptedException =>
                (TransportError.Unavailable, "Is the server running and reachable?"),
            _ => (TransportError.Other, "See the inner exception."),
        };
        return Make(doing, where, Root(error).Message.TrimEnd('.'), advice, kind, error);
    }

    /// <summary>Why a channel or connection was closed.</summary>
    public static TransportException Closed(ShutdownEventArgs reason, string doing, string where, Exception? error = null)
    {
        var text = reason.ReplyText ?? "";
        var (kind, advice) = reason.ReplyCode switch
        {
            AccessRefused => (TransportError.CredentialsRefused, "Grant the account what it lacks: the rights to configure, write and read postrider.* and its queues."),
            NotFound when text.Contains("no queue", StringComparison.Ordinal) => (TransportError.QueueNotFound, "Declare the queue first."),
            NotFound when text.Contains("no exchange", StringComparison.Ordinal) => (TransportError.Unavailable, "It is declared again at the next use; bindings that were lost with it come back when their consumers start."),
            NotFound => (TransportError.Unavailable, "The queue has no leader at the moment."),
            ResourceLocked => (TransportError.TopologyMismatch, "Another connection owns it exclusively; rename the queue."),
            PreconditionFailed when text.Contains("timed out", StringComparison.Ordinal) =>
                (TransportError.Timeout, "A delivery was not settled within the server's consumer_timeout, and was given back. Handle messages quicker, or raise consumer_timeout and RabbitMqOptions.ConsumerTimeout."),
            PreconditionFailed when text.Contains("inequivalent", StringComparison.Ordinal) =>
                (TransportError.TopologyMismatch, "It exists with other properties, which cannot be changed. Rename the queue, or empty and delete the other one."),
            // A stream that another process makes at this moment; "a running replica" of one whose server has just started.
            PreconditionFailed when text.Contains("does not have a replica", StringComparison.Ordinal) || text.Contains("does not have a running replica", StringComparison.Ordinal) =>
                (TransportError.Unavailable, "It is being made or started; if this persists, the server that is connected to has no copy of the stream."),
            PreconditionFailed => (TransportError.Other, "See the server's log."),
            NotAllowed when text.Contains("limit", StringComparison.Ordinal) => (TransportError.Unavailable, "Raise the limit, or use fewer connections."),
            NotAllowed when text.Contains("not found", StringComparison.Ordinal) => (TransportError.TopologyMismatch, "Create the virtual host, or correct the connection string."),
            NotAllowed => (TransportError.CredentialsRefused, "Grant the account the virtual host, or correct the connection string."),
            _ => (TransportError.Unavailable, "Is the server running and reachable?"),
        };
        return Make(doing, where, text.Length > 0 ? text.TrimEnd('.') : "the connection is closed", advice, kind, error ?? reason.Exception);
    }

    /// <summary>The innermost cause of which there is one.</summary>
    private static Exception Root(Exception error)
    {
        while (error is BrokerUnreachableException or AggregateException && error.InnerException is { } inner)
        {
            error = inner;
        }

        return error;
    }

    private static T? Find<T>(Exception error)
        where T : Exception
    {
        for (var one = error; one is not null; one = one.InnerException)
        {
            if (one is T found)
            {
                return found;
            }
        }

        return null;
    }

    private static TransportException Make(string doing, string where, string what, string advice, TransportError reason, Exception? error) =>
        new($"Cannot {doing} on RabbitMQ at {where}: {what}. {advice}", reason, error);
}
