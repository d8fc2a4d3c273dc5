using System.Diagnostics;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <content>Publishing, and awaiting what follows.</content>
public sealed partial class MessagingTestHost
{
    private readonly Lock _clock = new();

    private TimeSpan Patience => Debugger.IsAttached ? Timeout.InfiniteTimeSpan : _setup.Options.Patience;

    /// <summary>
    /// Publishes, and returns when everything that it causes has come to its end: handled, dead-lettered or discarded, and with it all that handlers published.
    /// What is delayed or retried is not waited for in real time: the clock is moved from one due time to the next. With
    /// <see cref="MessagingTestOptions.KeepTransport"/> it is.
    /// </summary>
    /// <exception cref="PublishException">As for <see cref="IMessageBus.PublishAsync"/>.</exception>
    /// <exception cref="MessagingTestException">It has not ended within <see cref="MessagingTestOptions.Patience"/>.</exception>
    public Task<PublishReceipt> PublishAndSettleAsync<TMessage>(
        TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull => FollowAsync(() => Bus.PublishAsync(message, options, cancellationToken), cancellationToken);

    /// <summary>As <see cref="PublishAndSettleAsync"/>, to one queue.</summary>
    public Task<PublishReceipt> SendAndSettleAsync<TMessage>(
        string queue, TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull => FollowAsync(() => Bus.SendAsync(queue, message, options, cancellationToken), cancellationToken);

    /// <summary>As <see cref="PublishAndSettleAsync"/>, for a request to one queue; returns its answer.</summary>
    /// <exception cref="MessagingException">As for <see cref="IMessageBus.RequestAsync{TRequest, TResponse}(string, TRequest, PublishOptions, CancellationToken)"/>.</exception>
    public async Task<TResponse> RequestAndSettleAsync<TRequest, TResponse>(
        string queue, TRequest request, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : notnull
        where TResponse : notnull
    {
        var flow = Flow.Current = new();
        var sent = flow.Begins();
        var answering = Bus.RequestAsync<TRequest, TResponse>(queue, request, options, cancellationToken).AsTask();
        await Task.WhenAny(answering, sent).ConfigureAwait(false);
        await SettleAsync(flow, cancellationToken).ConfigureAwait(false);
        return await answering.ConfigureAwait(false);
    }

    /// <summary>As <see cref="PublishAndSettleAsync"/>, for everything that is under way, whoever began it.</summary>
    /// <exception cref="MessagingTestException">It has not ended within <see cref="MessagingTestOptions.Patience"/>.</exception>
    public Task SettleAsync(CancellationToken cancellationToken = default) => SettleAsync(_setup.Tracker.Everything, cancellationToken);

    /// <summary>
    /// Moves the clock, from one due time to the next, and returns when everything has happened that happens until then. <see cref="TimeSpan.Zero"/> awaits what
    /// happens without any time passing.
    /// </summary>
    /// <remarks>A handler that awaits the clock itself is never idle: move it by <see cref="Time"/>.</remarks>
    /// <exception cref="MessagingTestException">It has not ended within <see cref="MessagingTestOptions.Patience"/>.</exception>
    public async Task AdvanceAsync(TimeSpan by, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        var end = Time.GetUtcNow() + by;
        while (await IdleAsync(_setup.Tracker.Everything, cancellationToken).ConfigureAwait(false) is { } due && due <= end)
        {
            MoveTo(due);
        }

        MoveTo(end);
        await IdleAsync(_setup.Tracker.Everything, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves the clock to where the next delayed or retried message is due, and returns when everything has happened that happens until then.</summary>
    /// <returns>How far it was moved; null if nothing waits for time.</returns>
    /// <exception cref="MessagingTestException">It has not ended within <see cref="MessagingTestOptions.Patience"/>.</exception>
    public async Task<TimeSpan?> AdvanceToNextAsync(CancellationToken cancellationToken = default)
    {
        if (await IdleAsync(_setup.Tracker.Everything, cancellationToken).ConfigureAwait(false) is not { } due)
        {
            return null;
        }

        var by = due - Time.GetUtcNow();
        await AdvanceAsync(by, cancellationToken).ConfigureAwait(false);
        return by;
    }

    /// <summary>With <see cref="MessagingTestMode.Capture"/>: from now on messages are handled, those first that were captured.</summary>
    public void HandleCaptured()
    {
        if (_setup.Options.Mode != MessagingTestMode.Capture)
        {
            throw new InvalidOperationException($"The host is in the mode {_setup.Options.Mode} and captures nothing.");
        }

        _setup.Handle();
    }

    private async Task<PublishReceipt> FollowAsync(Func<ValueTask<PublishReceipt>> publish, CancellationToken cancellationToken)
    {
        // From here on, until this method returns: what is published belongs to this flow.
        var flow = Flow.Current = new();
        var receipt = await publish().ConfigureAwait(false);
        await SettleAsync(flow, cancellationToken).ConfigureAwait(false);
        return receipt;
    }

    private async Task SettleAsync(Flow flow, CancellationToken cancellationToken)
    {
        while (await IdleAsync(flow, cancellationToken).ConfigureAwait(false) is { } due)
        {
            if (_setup.FakeTime is not null)
            {
                MoveTo(due);
            }
            else if (due - TimeProvider.System.GetUtcNow() is { Ticks: > 0 } left)
            {
                await Task.Delay(left, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private void MoveTo(DateTimeOffset time)
    {
        // Several may settle at once; whoever comes second finds it done.
        lock (_clock)
        {
            var by = time - Time.GetUtcNow();
            if (by > TimeSpan.Zero)
            {
                _setup.Timeline.Add(new Note("time", $"moves by {Happening.Words(by)}"));
                Time.Advance(by);
            }
        }
    }

    private async Task<DateTimeOffset?> IdleAsync(Flow flow, CancellationToken cancellationToken)
    {
        if (!_setup.Handles)
        {
            return null;
        }

        try
        {
            return await _setup.Tracker.IdleAsync(flow, Patience, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new MessagingTestException(
                $"Not everything has ended within {Patience} of real time. What is in hand below runs still; if it awaits the clock, move it by Time.Advance."
                + $"{Environment.NewLine}{Timeline}", e);
        }
    }
}
