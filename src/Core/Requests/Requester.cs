using System.Diagnostics;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>Sends a message that wants an answer, and waits for that: an ordinary publish with a deadline and an address.</summary>
internal sealed class Requester(TransportSet transports, AnswerReader answers, MessagingOptions options, Telemetry telemetry, TimeProvider time)
{
    /// <summary>Whoever waits longer wants a message that is answered by another message.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>Timers go off some milliseconds early. The request has expired when nobody waits any more.</summary>
    private static readonly TimeSpan TimersError = TimeSpan.FromMilliseconds(20);

    /// <param name="publish">The bus's own publish, with its switch and its middlewares.</param>
    /// <param name="message">The request.</param>
    /// <param name="type">Its type.</param>
    /// <param name="destination">Where it goes.</param>
    /// <param name="wanted">Its options, completed by the defaults.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async ValueTask<TResponse> AskAsync<TResponse>(
        Func<PublishContext, ValueTask<PublishReceipt>> publish, object message, MessageType type, Destination destination, PublishOptions wanted,
        CancellationToken cancellationToken)
        where TResponse : notnull
    {
        cancellationToken.ThrowIfCancellationRequested();
        var now = time.GetUtcNow();
        var id = wanted.MessageId ?? MessageIds.New(now);
        var timeout = TimeoutOf(wanted, now);
        using var deadline = new CancellationTokenSource(TimersError + (timeout > TimeSpan.Zero && timeout <= Longest ? timeout : Longest), time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var context = new PublishContext(message, type, destination, wanted, limit.Token);
        var named = transports.For(context);
        var (channel, outcome, isSent) = (named.Replies, RequestOutcome.Failed, false);
        try
        {
            if ((WhyRefused(wanted) ?? channel.WhyUnable) is { } why)
            {
                throw new PublishException($"The request {id} for the {destination} is refused: {why}", id, PublishStatus.Rejected);
            }

            if (timeout <= TimeSpan.Zero)
            {
                outcome = RequestOutcome.TimedOut;
                throw new RequestTimeoutException($"The request {id} for the {destination} was not sent: the time of the request that is being handled is over.", id);
            }

            await OpenAsync(channel, id, destination, limit.Token).ConfigureAwait(false);
            var answering = channel.Expect(id);
            context.Options = wanted with
            {
                Transport = wanted.Transport ?? named.Name,
                MessageId = id,
                CorrelationId = wanted.CorrelationId ?? (Cause.Current is null ? id : null),
                ReplyTo = channel.Queue,
                TimeToLive = timeout,
                RequireSubscribers = true,
                JoinTransaction = false,
            };
            // Counted from here on, however long it takes to be sent.
            context.ExpiresAt = now + timeout;
            if ((await publish(context).ConfigureAwait(false)).Status == PublishStatus.Suppressed)
            {
                throw new PublishException(
                    $"The request {id} for the {destination} was not sent: publishing is switched off (PublishingSwitch).", id, PublishStatus.Suppressed);
            }

            isSent = true;
            var answer = await answering.WaitAsync(limit.Token).ConfigureAwait(false);
            outcome = answer.Type == FaultReply.TypeName ? RequestOutcome.Faulted : RequestOutcome.Answered;
            if (ActivityContext.TryParse(answer.TraceParent, answer.TraceState, isRemote: true, out var trace))
            {
                Activity.Current?.AddLink(new(trace));
            }

            return await answers.ReadAsync<TResponse>(answer, id, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            outcome = RequestOutcome.TimedOut;
            throw isSent
                ? new RequestTimeoutException($"The request {id} for the {destination} was not answered within {timeout}. It may have been handled.", id, e)
                : new RequestTimeoutException($"The request {id} for the {destination} was not sent within {timeout}: {channel.Error?.Message ?? "the broker did not confirm it."}", id, channel.Error ?? e);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        finally
        {
            channel.Forget(id);
            telemetry.Requested(channel.System, destination.Name, outcome);
        }
    }

    private static string? WhyRefused(PublishOptions wanted) =>
        wanted.ReplyTo is not null ? "its answer comes to this process, ReplyTo cannot be chosen. Send it instead."
        : wanted.Delay > TimeSpan.Zero || wanted.NotBefore is not null ? "a request cannot be delayed. Send it with a ReplyTo instead."
        : wanted.Transaction is not null ? "in a transaction nobody sees it until the commit, for which nobody answers. Request after the commit."
        : wanted.TimeToLive <= TimeSpan.Zero || wanted.TimeToLive > Longest ? $"its TimeToLive is how long its answer is waited for: more than nothing, and at most {Longest}."
        : null;

    private static async ValueTask OpenAsync(ReplyChannel channel, string id, Destination destination, CancellationToken cancellationToken)
    {
        Exception? error = null;
        try
        {
            await channel.OpenAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (TransportException e)
        {
            error = e;
        }

        if (error is not null || channel.IsClosed)
        {
            throw new PublishException(
                $"The request {id} for the {destination} was not sent: {error?.Message ?? "the messaging host has been stopped."}", id, PublishStatus.NotSent, error);
        }
    }

    /// <summary>As long as was asked for, but no longer than whoever waits for the handler that asks.</summary>
    private TimeSpan TimeoutOf(PublishOptions wanted, DateTimeOffset now)
    {
        var timeout = wanted.TimeToLive ?? options.RequestTimeout;
        var left = Cause.Current is { ReplyTo: not null, ExpiresAt: { } end } ? end - now : timeout;
        return left < timeout ? left : timeout;
    }
}
