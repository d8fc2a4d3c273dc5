namespace Postrider;

/// <summary>An end for handlers that take too long.</summary>
public static class HandlerTimeout
{
    /// <summary>
    /// Cancels the handler's token after a time. A handler that ends because of it has failed with a <see cref="TimeoutException"/>, and the retry policy
    /// decides. One that does not heed its token goes on, and its delivery stays its own.
    /// </summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="timeout">How long a handler may take, with the middlewares inside this one.</param>
    public static MessagingBuilder UseTimeout(this MessagingBuilder messaging, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        return messaging.UseConsume(Create(timeout), $"timeout {timeout}");
    }

    /// <summary>The same for one consumer: <c>options with { Middleware = [HandlerTimeout.Create(…)] }</c>.</summary>
    public static ConsumeMiddleware Create(TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero);
        return next => context => RunAsync(context, next, timeout);
    }

    private static async ValueTask<Outcome> RunAsync(ConsumeContext context, ConsumeDelegate next, TimeSpan timeout)
    {
        var outer = context.CancellationToken;
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(outer);
        var timer = context.Time.CreateTimer(
            _ =>
            {
                // First why, then that.
                context.SetCancelledBy(CancellationCause.Timeout);
                limited.Cancel();
            },
            null, timeout, Timeout.InfiniteTimeSpan);
        await using var stop = timer.ConfigureAwait(false);
        context.CancellationToken = limited.Token;
        try
        {
            return await next(context).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (context.CancelledBy == CancellationCause.Timeout)
        {
            throw new TimeoutException($"The handler '{context.Consumer}' did not end within {timeout}.", e);
        }
        finally
        {
            context.CancellationToken = outer;
        }
    }
}
