using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Retries: the next attempt of the same message, not before its time.</summary>
public abstract class RetryScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.LosesAttempt, Fault.RetryForgetsHeaders, Fault.RetryForgetsMetadata)]
    public async Task A_retry_is_the_same_message_with_the_next_attempt()
    {
        var (transport, topic) = (await ConnectAsync(), $"{NewName()}.x");
        var queue = await QueueAsync(transport, topic);
        var sent = Complete(topic) with
        {
            Body = new byte[] { 0, 255, 128 },
            Headers = new Dictionary<string, string> { ["größe"] = "💌", ["attempt"] = "1" },
        };
        await StoreAsync(transport, On(topic, sent));
        var receiver = await OpenAsync(transport, queue);
        for (var attempt = 1; attempt <= 5; attempt++)
        {
            var delivery = await TakeOneAsync(receiver);
            Assert.Equal((attempt, 0), (delivery.Envelope.Attempt, delivery.Redeliveries));
            EnvelopeAssert.Same(sent, delivery.Envelope);
            await SettledAsync(receiver, Settlement.Retry(delivery, TimeSpan.Zero));
        }

        await DrainAsync(receiver, 1);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsRetries)]
    public async Task A_delayed_retry_is_never_early_and_comes()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Messages(5));
        var taken = await TakeAsync(receiver, 5);
        var start = Time.GetTimestamp();
        await SettledAsync(receiver, [.. taken.Select(one => Settlement.Retry(one, Fixture.Delay))]);

        for (var i = 0; i < 5; i++)
        {
            var again = await TakeOneAsync(receiver);
            Assert.True(Time.GetElapsedTime(start) >= Fixture.Delay, $"It came {Time.GetElapsedTime(start)} after the retry of {Fixture.Delay}.");
            Assert.Equal((2, 0), (again.Envelope.Attempt, again.Redeliveries));
        }
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsRetries)]
    public async Task A_delayed_retry_outlives_the_transport()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Message());
        var delivery = await TakeOneAsync(receiver);
        var start = Time.GetTimestamp();
        await SettledAsync(receiver, Settlement.Retry(delivery, Fixture.Delay));
        await receiver.DisposeAsync();
        await transport.DisposeAsync();

        var again = await TakeOneAsync(await OpenAsync(await ConnectAsync(), queue));

        Assert.True(Time.GetElapsedTime(start) >= Fixture.Delay, $"It came {Time.GetElapsedTime(start)} after the retry of {Fixture.Delay}.");
        Assert.Equal(2, again.Envelope.Attempt);
    }

    [Scenario(Fault.DelayedBlockTheQueue)]
    public async Task Messages_that_wait_hold_up_no_others()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var receiver = await OpenAsync(transport, queue, prefetch: 5);
        await SendAsync(transport, queue, Messages(30));
        for (var i = 0; i < 6; i++)
        {
            await SettledAsync(receiver, [.. (await TakeAsync(receiver, 5)).Select(one => Settlement.Retry(one, LongLease))]);
        }

        var fresh = Messages(10);
        await SendAsync(transport, queue, fresh);

        AssertSame(fresh, [.. await TakeAndAckAsync(receiver, 5), .. await TakeAndAckAsync(receiver, 5)]);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.KeepsRedeliveries, Fault.LosesAttempt)]
    public async Task A_retry_counts_redeliveries_from_zero()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Message());
        var crashed = await OpenAsync(transport, queue, Fixture.Lease);
        await TakeOneAsync(crashed);
        await crashed.DisposeAsync();
        var receiver = await OpenAsync(transport, queue);
        var delivery = await TakeOneAsync(receiver);
        Assert.Equal((1, 1), (delivery.Envelope.Attempt, delivery.Redeliveries));

        await SettledAsync(receiver, Settlement.Retry(delivery, TimeSpan.Zero));

        var again = await TakeOneAsync(receiver);
        Assert.Equal((2, 0), (again.Envelope.Attempt, again.Redeliveries));
    }

    private async Task<List<Delivery>> TakeAndAckAsync(IReceiver receiver, int count)
    {
        var taken = await TakeAsync(receiver, count);
        await AckAsync(receiver, [.. taken]);
        return taken;
    }
}
