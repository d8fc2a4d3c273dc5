using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Hosting;
using Postrider.Core.Publishing;
using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>What belongs to one <see cref="MessagingTestHost"/>, and how it gets into an application's registration.</summary>
internal sealed class TestSetup
{
    /// <summary>Leases do not run out while a test moves the clock: longer than tests move it, and short enough for a timer.</summary>
    private static readonly TimeSpan NoEnd = TimeSpan.FromDays(90);

    private static readonly AsyncLocal<Handling?> s_handling = new();

    private readonly TaskCompletionSource _mayHandle = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TestSetup(MessagingTestOptions options, MessagingRegistration registration)
    {
        options.Chaos?.Check();
        (Options, Registration) = (options, registration);
        FakeTime = options.KeepTransport ? null : options.Time ?? new();
        Timeline = new(Time);
        Tracker = new(Timeline);
        Chaos = new(options.Chaos, Timeline);
        Timeline.Heading = options.Chaos is null ? null : $"Chaos has the seed {Chaos.Seed}.";
        Ledger = new(Time);
        if (options.Mode == MessagingTestMode.Run)
        {
            Handle();
        }
    }

    public MessagingTestOptions Options { get; }

    public MessagingRegistration Registration { get; }

    /// <summary>Null: time is real.</summary>
    public FakeTimeProvider? FakeTime { get; }

    public TimeProvider Time => FakeTime ?? TimeProvider.System;

    public Timeline Timeline { get; }

    public Tracker Tracker { get; }

    public Chaos Chaos { get; }

    public Ledger Ledger { get; }

    public bool Handles => _mayHandle.Task.IsCompleted;

    public void Handle() => _mayHandle.TrySetResult();

    public ITransport Wrap(ITransport transport) => new TestTransport(transport, Tracker, Ledger, Chaos.Strikes, _mayHandle.Task);

    /// <summary>Puts middlewares outside and inside of the application's own, and adjusts its consumers.</summary>
    public void Join()
    {
        Registration.PublishMiddleware.Add((PublishScope.Everything, "test host", _ => Publish));
        Registration.ConsumeMiddleware.Insert(0, Consume);
        Registration.Lanes = Tracker;
        foreach (var consumer in Registration.Consumers)
        {
            var options = consumer.Options;
            consumer.Options = options with
            {
                Lease = FakeTime is null ? options.Lease : NoEnd,
                // A batch that waits for more would wait for the clock, which stands still until everything has happened.
                Batch = FakeTime is null ? options.Batch : options.Batch is { } batch ? batch with { MaxWait = TimeSpan.Zero } : null,
                Middleware = [.. options.Middleware, Reach],
                OnFailed = options.OnFailed is { } tell ? (failed, cancellationToken) => TellAsync(tell, failed, cancellationToken) : null,
            };
        }
    }

    private PublishDelegate Publish(PublishDelegate next) => async context =>
    {
        var publishing = new Publishing(context.Message, context.MessageType, context.Destination, context.Options) { CauseId = s_handling.Value?.MessageId };
        Timeline.Add(publishing);
        try
        {
            Chaos.ThrowIfPublishFails(context);
            var receipt = await next(context).ConfigureAwait(false);
            publishing.End(receipt.MessageId, receipt.Status);
            return receipt;
        }
        catch (Exception e)
        {
            publishing.End((e as PublishException)?.MessageId, (e as PublishException)?.Status, e);
            throw;
        }
    };

    /// <summary>Outermost, as exceptions of the application's middlewares count, too.</summary>
    private ConsumeDelegate Consume(ConsumeDelegate next) => async context =>
    {
        if (!Tracker.TryFind(context.Delivery, out var handling, out var flow))
        {
            return await next(context).ConfigureAwait(false);
        }

        (s_handling.Value, Flow.Current) = (handling, flow);
        try
        {
            Chaos.ThrowIfHandlingFails(context.MessageType);
            var outcome = await next(context).ConfigureAwait(false);
            handling.Returned = outcome;
            return outcome;
        }
        catch (Exception e)
        {
            handling.Exception = e;
            throw;
        }
    };

    /// <summary>Innermost: the consumer is next, and sees the message as it is here.</summary>
    private static ConsumeDelegate Reach(ConsumeDelegate next) => context =>
    {
        if (s_handling.Value is { } handling)
        {
            handling.Ran = true;
            handling.Envelope = context.Envelope with { Body = context.Envelope.Body.ToArray() };
        }

        return next(context);
    };

    private async ValueTask TellAsync(Func<FailedMessage, CancellationToken, ValueTask> tell, FailedMessage failed, CancellationToken cancellationToken)
    {
        var copy = Tracker.Telling(failed.Info.Queue, failed.Envelope.Id);
        Flow.Current = copy?.Flow;
        try
        {
            await tell(failed, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (copy is not null)
            {
                Tracker.Told(copy);
            }
        }
    }
}
