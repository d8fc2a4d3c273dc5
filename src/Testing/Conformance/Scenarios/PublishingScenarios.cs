using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Publishing to queues: what is stored arrives, once, and every message of a batch has its own result.</summary>
public abstract class PublishingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.DropsMessages, Fault.DuplicatesMessages)]
    public async Task A_message_arrives_once_as_the_first_attempt()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Message();
        await SendAsync(transport, queue, sent);

        var delivery = await TakeOneAsync(receiver);

        Assert.Equal((queue, sent.Id, 1, 0), (delivery.Queue, delivery.Envelope.Id, delivery.Envelope.Attempt, delivery.Redeliveries));
        Assert.Null(delivery.Defect);
        Assert.Null(delivery.Envelope.DeadLetter);
        await AckAsync(receiver, delivery);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.ThrowsOnEmptyBatch)]
    public async Task An_empty_batch_is_published_and_settled_without_effect()
    {
        var (transport, _, receiver) = await StartAsync();

        Assert.Empty(await PublishAsync(transport));
        Assert.Empty(await SettleAsync(receiver));

        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.DropsMessages, Fault.DuplicatesMessages)]
    public async Task A_batch_of_1000_arrives_whole()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(1000);
        await SendAsync(transport, queue, sent);

        AssertSame(sent, await DrainAsync(receiver, 1000));

        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.LiesAboutResults, Fault.FailsWholeBatch, Fault.ShufflesResults, Fault.ThrowsOnBadItem)]
    public async Task A_bad_message_in_a_batch_of_1000_is_told_from_the_others()
    {
        const int Bad = 333;
        var (transport, queue, receiver) = await StartAsync();
        var messages = Messages(1000);
        var batch = messages.Select(message => To(queue, message)).ToArray();
        batch[Bad] = To(NewName(), messages[Bad]);

        var results = await PublishAsync(transport, batch);

        for (var i = 0; i < results.Length; i++)
        {
            Assert.True(results[i].Status == (i == Bad ? PublishStatus.Unroutable : PublishStatus.Stored), $"Message {i} is {results[i].Status}.");
        }

        AssertSame(messages.Where((_, i) => i != Bad), await DrainAsync(receiver, 999));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.LiesAboutResults, Fault.ThrowsOnBadItem)]
    public async Task Sending_to_a_missing_queue_is_unroutable()
    {
        var transport = await ConnectAsync();

        var result = Assert.Single(await PublishAsync(transport, To(NewName(), Message())));

        Assert.Equal(PublishStatus.Unroutable, result.Status);
        Assert.NotNull(result.Error);
    }

    [Scenario(Fault.LiesAboutResults, Fault.ThrowsOnBadItem)]
    public async Task Publishing_to_a_topic_without_a_queue_is_unroutable()
    {
        var transport = await ConnectAsync();
        await QueueAsync(transport, $"{NewName()}.*");

        var result = Assert.Single(await PublishAsync(transport, On($"{NewName()}.nobody", Message())));

        Assert.Equal(PublishStatus.Unroutable, result.Status);
    }

    [Scenario(Fault.LiesAboutResults, Fault.ThrowsOnBadItem)]
    public async Task Illegal_names_are_rejected_one_by_one()
    {
        var (transport, queue, receiver) = await StartAsync();
        var good = Message();

        var results = await PublishAsync(
            transport,
            To("no such queue; drop table x --", Message()),
            To(queue, good),
            On("a topic with spaces", Message()),
            On("a..b", Message()),
            To("", Message()));

        Assert.Equal(
            [PublishStatus.Rejected, PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected],
            results.Select(static result => result.Status));
        AssertSame([good], await DrainAsync(receiver, 1));
    }

    [Scenario(Fault.ThrowsOnCancel, Fault.IgnoresCancel)]
    public async Task A_publish_that_is_cancelled_before_it_begins_is_not_sent()
    {
        var (transport, queue, receiver) = await StartAsync();
        var results = new PublishResult[3];
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await transport.PublishAsync(Messages(3).Select(message => To(queue, message)).ToArray(), results, cancelled.Token)
            .AsTask().WaitAsync(Fixture.Patience, Time);

        Assert.All(results, static result => Assert.Equal(PublishStatus.NotSent, result.Status));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.ThrowsOnCancel, Fault.SaysNotSent, Fault.ConfirmsEarly)]
    public async Task A_publish_that_is_cancelled_while_it_runs_tells_the_truth()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var told = new Dictionary<string, PublishStatus>();
        for (var round = 0; round < 20; round++)
        {
            var messages = Messages(50);
            var results = new PublishResult[messages.Length];
            using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(round % 5), Time);
            await transport.PublishAsync(messages.Select(message => To(queue, message)).ToArray(), results, cancelled.Token)
                .AsTask().WaitAsync(Fixture.Patience, Time);
            for (var i = 0; i < messages.Length; i++)
            {
                told.Add(messages[i].Id, results[i].Status);
            }
        }

        Assert.All(told.Values, static status => Assert.True(status is PublishStatus.Stored or PublishStatus.NotSent or PublishStatus.Unknown));
        // Whoever confirms what it has not stored yet has no more time for it.
        await transport.DisposeAsync();
        var arrived = await ArrivedAsync(queue);
        Assert.DoesNotContain(told, one => one.Value == PublishStatus.Stored && !arrived.Contains(one.Key));
        Assert.DoesNotContain(told, one => one.Value == PublishStatus.NotSent && arrived.Contains(one.Key));
    }

    [Scenario(Fault.DropsMessages, Fault.DuplicatesMessages)]
    public async Task Ten_thousand_messages_of_50_publishers_arrive()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(10_000);
        var publishing = Task.WhenAll(sent.Chunk(200).Select(share => Task.Run(async () =>
        {
            foreach (var message in share)
            {
                await SendAsync(transport, queue, message);
            }
        })));

        var arrived = await DrainAsync(receiver, sent.Length);

        await publishing;
        AssertSame(sent, arrived);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.ConfirmsEarly)]
    public async Task What_is_stored_survives_the_publishers_connection()
    {
        var publisher = await ConnectAsync();
        var queue = await QueueAsync(publisher);
        var sent = Messages(100);
        await SendAsync(publisher, queue, sent);
        await publisher.DisposeAsync();

        var receiver = await OpenAsync(await ConnectAsync(), queue);

        AssertSame(sent, await DrainAsync(receiver, sent.Length));
    }

    [Scenario(Fault.ConfirmsEarly)]
    public async Task Buffers_and_headers_can_be_reused_after_a_publish()
    {
        var (transport, queue, receiver) = await StartAsync();
        var body = "before"u8.ToArray();
        var headers = new Dictionary<string, string> { ["name"] = "before" };
        await SendAsync(transport, queue, Message() with { Body = body, Headers = headers });
        body.AsSpan().Fill((byte)'x');
        headers["name"] = "after";

        var delivery = await TakeOneAsync(receiver);

        Assert.Equal("before"u8, delivery.Envelope.Body.Span);
        Assert.Equal("before", delivery.Envelope.Headers["name"]);
    }

    [Scenario(Fault.Reorders)]
    public async Task One_consumer_gets_the_messages_of_one_publisher_in_order()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(300);
        foreach (var batch in sent.Chunk(7))
        {
            await SendAsync(transport, queue, batch);
        }

        var arrived = await DrainAsync(receiver, sent.Length);

        Assert.Equal(sent.Select(static one => one.Id), arrived.Select(static one => one.Envelope.Id));
    }

    /// <summary>Everything that is in the queue, until nothing comes any more.</summary>
    private async Task<HashSet<string>> ArrivedAsync(string queue)
    {
        var receiver = await OpenAsync(await ConnectAsync(), queue);
        var arrived = new HashSet<string>();
        while (true)
        {
            using var quiet = After(Fixture.Quiet);
            try
            {
                var some = await ReceiveAsync(receiver, 50, quiet.Token);
                await AckAsync(receiver, [.. some]);
                arrived.UnionWith(some.Select(static one => one.Envelope.Id));
            }
            catch (OperationCanceledException) when (!Deadline.IsCancellationRequested)
            {
                return arrived;
            }
        }
    }
}
