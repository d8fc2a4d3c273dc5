using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Delayed publishes: never early, and routed when they are published.</summary>
public abstract class DelayScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.IgnoresDelay, Fault.DropsDelayed)]
    public async Task A_delayed_message_is_never_early_and_comes()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Message();
        var start = Time.GetTimestamp();
        if (!await StoreDelayedAsync(transport, To(queue, sent, Fixture.Delay)))
        {
            return;
        }

        var delivery = await TakeOneAsync(receiver);

        NotEarly(start, Fixture.Delay);
        EnvelopeAssert.Same(sent, delivery.Envelope);
        Assert.Equal((1, 0), (delivery.Envelope.Attempt, delivery.Redeliveries));
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsDelayed)]
    public async Task Different_delays_each_come_in_their_time()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(4);
        var start = Time.GetTimestamp();
        var batch = sent.Select((message, i) => To(queue, message, Fixture.Delay * (4 - i) / 2)).ToArray();
        if (!await StoreDelayedAsync(transport, batch))
        {
            return;
        }

        for (var i = sent.Length - 1; i >= 0; i--)
        {
            var delivery = await TakeOneAsync(receiver);
            Assert.Equal(sent[i].Id, delivery.Envelope.Id);
            NotEarly(start, batch[i].Delay);
        }
    }

    [Scenario(Fault.RoutesDelayedLate, Fault.IgnoresDelay)]
    public async Task A_delayed_topic_publish_goes_to_the_queues_that_were_bound_when_it_was_published()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        string[] queues = [await QueueAsync(transport, topic), await QueueAsync(transport, $"{topic}.#")];
        var sent = Message();
        var start = Time.GetTimestamp();
        if (!await StoreDelayedAsync(transport, On(topic, sent, Fixture.Delay)))
        {
            return;
        }

        var late = await OpenAsync(transport, await QueueAsync(transport, topic));

        foreach (var queue in queues)
        {
            var receiver = await OpenAsync(transport, queue);
            AssertSame([sent], await DrainAsync(receiver, 1));
            NotEarly(start, Fixture.Delay);
            await NothingComesAsync(receiver);
        }

        await NothingComesAsync(late);
    }

    [Scenario(Fault.DelayedBlockTheQueue)]
    public async Task Delayed_messages_hold_up_no_others()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        if (!await StoreDelayedAsync(transport, [.. Messages(300).Select(message => To(queue, message, LongLease))]))
        {
            return;
        }

        var receiver = await OpenAsync(transport, queue, prefetch: 50);
        var sent = Messages(50);
        await SendAsync(transport, queue, sent);

        AssertSame(sent, await DrainAsync(receiver, 50));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsDelayed)]
    public async Task A_delay_outlives_the_publisher()
    {
        var publisher = await ConnectAsync();
        var queue = await QueueAsync(publisher);
        var sent = Message();
        var start = Time.GetTimestamp();
        if (!await StoreDelayedAsync(publisher, To(queue, sent, Fixture.Delay)))
        {
            return;
        }

        await publisher.DisposeAsync();

        AssertSame([sent], await DrainAsync(await OpenAsync(await ConnectAsync(), queue), 1));
        NotEarly(start, Fixture.Delay);
    }

    [Scenario(Fault.LiesAboutResults, Fault.ThrowsOnBadItem)]
    public async Task A_delayed_message_to_nowhere_is_unroutable_at_once()
    {
        var transport = await ConnectAsync();

        var results = await PublishAsync(
            transport, To(NewName(), Message(), Fixture.Delay), On($"{NewName()}.nobody", Message(), Fixture.Delay));

        var expected = transport.Capabilities.DelayedPublish.IsSupported ? PublishStatus.Unroutable : PublishStatus.Rejected;
        Assert.All(results, result => Assert.Equal(expected, result.Status));
    }

    /// <summary>False where delays are not supported: then they must be refused, for a message without its delay would be early.</summary>
    private async Task<bool> StoreDelayedAsync(ITransport transport, params OutgoingMessage[] batch)
    {
        if (transport.Capabilities.DelayedPublish.IsSupported)
        {
            await StoreAsync(transport, batch);
            return true;
        }

        Assert.All(await PublishAsync(transport, batch), static result => Assert.Equal(PublishStatus.Rejected, result.Status));
        return false;
    }

    private void NotEarly(long start, TimeSpan delay) =>
        Assert.True(Time.GetElapsedTime(start) >= delay, $"It came after {Time.GetElapsedTime(start)}; the delay was {delay}.");
}
