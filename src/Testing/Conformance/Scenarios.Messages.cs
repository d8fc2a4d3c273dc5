using System.Text;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <content>Publishing, taking and settling, with assertions.</content>
public abstract partial class Scenarios
{
    private protected static Envelope Message(string? id = null) => new()
    {
        Id = id ?? Guid.NewGuid().ToString("N"),
        Type = "test.message",
        ContentType = "text/plain",
        Body = Encoding.UTF8.GetBytes($"body of {id}"),
        SentAt = DateTimeOffset.UnixEpoch.AddDays(20_000),
        Source = "conformance",
    };

    /// <summary>With every property that a publisher can set.</summary>
    private protected Envelope Complete(string topic) => Message() with
    {
        Topic = topic,
        SchemaVersion = 3,
        ContentEncoding = "identity",
        OccurredAt = Time.GetUtcNow() - TimeSpan.FromDays(1),
        ExpiresAt = Time.GetUtcNow() + TimeSpan.FromDays(400),
        Key = "customer-7",
        Subject = "order 7",
        CorrelationId = "flow-9",
        CausationId = "message 8",
        ReplyTo = "answers",
        Priority = 7,
        TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        TraceState = "vendor=1",
        Baggage = "user=5",
    };

    private protected static Envelope[] Messages(int count) => [.. Enumerable.Range(0, count).Select(i => Message($"{i:D6}-{Guid.NewGuid():N}"))];

    private protected static OutgoingMessage To(string queue, Envelope envelope, TimeSpan delay = default) =>
        new(Destination.Queue(queue), envelope, delay);

    private protected static OutgoingMessage On(string topic, Envelope envelope, TimeSpan delay = default) =>
        new(Destination.Topic(topic), envelope with { Topic = topic }, delay);

    private protected async ValueTask<PublishResult[]> PublishAsync(ITransport transport, params OutgoingMessage[] batch)
    {
        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Deadline).AsTask().WaitAsync(Fixture.Patience, Time).ConfigureAwait(false);
        return results;
    }

    /// <summary>Publishes, and every message must be stored.</summary>
    private protected async ValueTask StoreAsync(ITransport transport, params OutgoingMessage[] batch) =>
        Assert.All(await PublishAsync(transport, batch).ConfigureAwait(false), static result =>
            Assert.True(result.Status == PublishStatus.Stored, $"{result.Status}: {result.Error}"));

    private protected ValueTask SendAsync(ITransport transport, string queue, params Envelope[] messages) =>
        StoreAsync(transport, [.. messages.Select(message => To(queue, message))]);

    /// <summary>Exactly so many deliveries, held and not settled.</summary>
    private protected async ValueTask<List<Delivery>> TakeAsync(IReceiver receiver, int count)
    {
        var taken = new List<Delivery>();
        using var patience = After(Fixture.Patience);
        while (taken.Count < count)
        {
            try
            {
                var some = await ReceiveAsync(receiver, count - taken.Count, patience.Token).ConfigureAwait(false);
                Assert.False(some.Count == 0, $"The receiver ended after {taken.Count} of {count} deliveries though it was not stopped.");
                taken.AddRange(some);
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested)
            {
                Assert.Fail($"Within {Fixture.Patience} only {taken.Count} of {count} deliveries came.");
            }
        }

        Assert.Equal(count, taken.Count);
        return taken;
    }

    private protected async ValueTask<Delivery> TakeOneAsync(IReceiver receiver) => (await TakeAsync(receiver, 1).ConfigureAwait(false))[0];

    /// <summary>Takes and acks until so many have come. Their bodies are copies: a transport's are valid until the ack only.</summary>
    private protected async ValueTask<List<Delivery>> DrainAsync(IReceiver receiver, int count)
    {
        var all = new List<Delivery>();
        while (all.Count < count)
        {
            var some = await TakeAsync(receiver, Math.Min(50, count - all.Count)).ConfigureAwait(false);
            all.AddRange(some.Select(static one => new Drained(one)));
            await AckAsync(receiver, [.. some]).ConfigureAwait(false);
        }

        return all;
    }

    /// <summary>Nothing may come for a while.</summary>
    private protected async ValueTask NothingComesAsync(IReceiver receiver, TimeSpan? during = null)
    {
        using var quiet = After(during ?? Fixture.Quiet);
        try
        {
            var unexpected = await ReceiveAsync(receiver, 10, quiet.Token).ConfigureAwait(false);
            Assert.Fail($"Nothing was to come, but: {string.Join(", ", unexpected.Select(static one =>
                $"{one.Envelope.Id} (attempt {one.Envelope.Attempt}, redeliveries {one.Redeliveries})"))}.");
        }
        catch (OperationCanceledException) when (quiet.IsCancellationRequested)
        {
        }
    }

    /// <summary>Cancelling must end a wait soon: a transport that ignores it fails here instead of hanging.</summary>
    private protected async Task<IReadOnlyList<Delivery>> ReceiveAsync(IReceiver receiver, int max, CancellationToken cancellationToken)
    {
        var receiving = receiver.ReceiveAsync(max, cancellationToken).AsTask();
        await Task.WhenAny(receiving, Cancelled(cancellationToken)).ConfigureAwait(false);
        return await receiving.WaitAsync(Fixture.Patience, Time, CancellationToken.None).ConfigureAwait(false);
    }

    private protected async ValueTask<SettleResult[]> SettleAsync(IReceiver receiver, params Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await receiver.SettleAsync(batch, results, Deadline).AsTask().WaitAsync(Fixture.Patience, Time).ConfigureAwait(false);
        return results;
    }

    /// <summary>Settles, and every settlement must take effect.</summary>
    private protected async ValueTask SettledAsync(IReceiver receiver, params Settlement[] batch) =>
        Assert.All(await SettleAsync(receiver, batch).ConfigureAwait(false), static result =>
            Assert.True(result.Status == SettleStatus.Settled, $"{result.Status}: {result.Error}"));

    private protected ValueTask AckAsync(IReceiver receiver, params Delivery[] deliveries) =>
        SettledAsync(receiver, [.. deliveries.Select(Settlement.Ack)]);

    /// <summary>How much the queue has; a broker may be behind for a moment.</summary>
    private protected ValueTask DepthIsAsync(ITransport transport, string queue, long expected) =>
        DepthIsAsync(transport, queue, depth => depth.Total == expected, $"{expected}");

    /// <param name="transport">Who is asked.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="isRight">What must be so in the end.</param>
    /// <param name="expected">The same, for people.</param>
    private protected async ValueTask DepthIsAsync(ITransport transport, string queue, Func<QueueDepth, bool> isRight, string expected)
    {
        var depth = Assert.IsAssignableFrom<IQueueDepth>(transport);
        using var patience = After(Fixture.Patience);
        while (await depth.DepthAsync(queue, Deadline).ConfigureAwait(false) is var actual && !isRight(actual))
        {
            Assert.False(patience.IsCancellationRequested, $"It counts {actual} instead of {expected}.");
        }
    }

    private protected static DeadLetterInfo Reason(Delivery delivery, DeadLetterReason reason = DeadLetterReason.Rejected) =>
        new() { Reason = reason, Queue = delivery.Queue, Attempts = delivery.Envelope.Attempt, Description = "for the test" };

    private protected CancellationTokenSource After(TimeSpan time)
    {
        var source = new CancellationTokenSource(time, Time);
        // Linked by hand: a linked source has no clock.
        Deadline.UnsafeRegister(static state => Cancel((CancellationTokenSource)state!), source);
        return source;
    }

    private protected static void AssertSame(IEnumerable<string> expected, IEnumerable<Delivery> actual) =>
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Select(static one => one.Envelope.Id).Order(StringComparer.Ordinal));

    private protected static void AssertSame(IEnumerable<Envelope> expected, IEnumerable<Delivery> actual) =>
        AssertSame(expected.Select(static one => one.Id), actual);

    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
        }
    }

    private static Task Cancelled(CancellationToken cancellationToken)
    {
        var cancelled = new TaskCompletionSource();
        cancellationToken.UnsafeRegister(static state => ((TaskCompletionSource)state!).TrySetResult(), cancelled);
        return cancelled.Task;
    }

    /// <summary>What is left of a delivery when it has been settled.</summary>
    private sealed class Drained : Delivery
    {
        public Drained(Delivery settled)
            : base(settled.Queue, settled.Envelope with { Body = settled.Envelope.Body.ToArray() }, settled.Redeliveries) => Defect = settled.Defect;
    }
}
