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

    /// <summary>
    /// Late by at most a second, or a twentieth of the delay, also after the end of the process that published and asked for retries; but for what was due while nobody received.
    /// </summary>
    [Scenario(Fault.DelaysTooLong, Fault.DropsDelayed)]
    public async Task What_is_delayed_is_not_late()
    {
        await using var halts = new Halts();
        var (ending, queue, receiver) = await StartAsync();
        var delays = Enumerable.Range(1, 6).Select(i => Fixture.Delay * i / 2).ToArray();
        var (published, retried) = (Messages(delays.Length), Messages(delays.Length));
        await SendAsync(ending, queue, retried);
        var taken = await TakeAsync(receiver, retried.Length);
        await SettledAsync(receiver, [.. taken.Select((one, i) => Settlement.Retry(one, delays[i]))]);
        var due = taken.Select((one, i) => (one.Envelope.Id, Delay: delays[i])).ToDictionary();
        if (await StoreDelayedAsync(ending, [.. published.Select((message, i) => To(queue, message, delays[i]))]))
        {
            published.Zip(delays).ToList().ForEach(one => due.Add(one.First.Id, one.Second));
        }

        var stored = Time.GetTimestamp();
        await receiver.DisposeAsync();
        await ending.DisposeAsync();
        receiver = await OpenAsync(await ConnectAsync(), queue);
        var opened = Time.GetElapsedTime(stored);
        for (var i = 0; i < due.Count; i++)
        {
            var delay = due[(await TakeOneAsync(receiver)).Envelope.Id];
            var late = Time.GetElapsedTime(stored) - (delay > opened ? delay : opened);
            var allowed = TimeSpan.FromSeconds(Math.Max(1, delay.TotalSeconds / 20)) + halts.Total;
            Assert.True(late <= allowed, $"It came {late} late; the delay was {delay}, and the machine was halted for {halts.Total}.");
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
