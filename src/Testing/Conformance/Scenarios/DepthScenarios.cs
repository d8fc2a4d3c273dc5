using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>How much is left in a queue, which tells when a transport is drained.</summary>
public abstract class DepthScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.CountsNothing)]
    public async Task A_queue_counts_what_is_ready_delayed_in_hand_and_to_be_tried_again_until_it_is_settled()
    {
        var (transport, topic) = (await ConnectAsync(), NewTopic());
        var queue = await QueueAsync(transport, topic);
        await DepthIsAsync(transport, queue, 0);

        await StoreAsync(transport, On(topic, Message()), To(queue, Message()), To(queue, Message()));
        await DepthIsAsync(transport, queue, 3);
        if (transport.Capabilities.DelayedPublish.IsSupported)
        {
            await StoreAsync(transport, To(queue, Message(), LongLease));
            await DepthIsAsync(transport, queue, 4);
        }

        var delayed = transport.Capabilities.DelayedPublish.IsSupported ? 1 : 0;
        var receiver = await OpenAsync(transport, queue);
        var taken = await TakeAsync(receiver, 3);
        await DepthIsAsync(transport, queue, 3 + delayed);
        await SettledAsync(receiver, Settlement.Ack(taken[0]), Settlement.Retry(taken[1], LongLease), Settlement.Retry(taken[2], LongLease));
        await DepthIsAsync(transport, queue, 2 + delayed);
    }

    [Scenario(Fault.CountsAllAsReady)]
    public async Task What_is_ready_and_in_hand_is_told_apart_from_what_is_delayed_where_the_broker_knows()
    {
        var (transport, queue) = (await ConnectAsync(), NewName());
        await transport.DeclareAsync(new([queue], []), Deadline);
        await SendAsync(transport, queue, Message(), Message());
        if (transport.Capabilities.DelayedPublish.IsSupported)
        {
            await StoreAsync(transport, To(queue, Message(), LongLease));
        }

        await DepthIsAsync(transport, queue, static depth => depth is { Ready: 2 or null, Unsettled: 0 or null }, "2 ready");

        var receiver = await OpenAsync(transport, queue);
        var taken = await TakeAsync(receiver, 2);
        await DepthIsAsync(transport, queue, static depth => depth is { Ready: 0 or null, Unsettled: 2 or null }, "2 in hand");
        await SettledAsync(receiver, Settlement.Ack(taken[0]), Settlement.Retry(taken[1], LongLease));
        await DepthIsAsync(transport, queue, static depth => depth is { Ready: 0 or null, Unsettled: 0 or null }, "none ready or in hand");
    }

    [Scenario(Fault.HidesAge)]
    public async Task The_oldest_message_that_is_ready_tells_its_age_where_the_broker_knows()
    {
        var (transport, topic) = (await ConnectAsync(), NewTopic());
        var queue = await QueueAsync(transport, topic);
        if (transport.Capabilities.DelayedPublish.IsSupported)
        {
            await StoreAsync(transport, To(queue, Message(), LongLease));
        }

        await HasNoAgeAsync(queue);
        await StoreAsync(transport, On(topic, Message()));
        await Task.Delay(Fixture.Quiet, Time, Deadline);
        var late = await QueueAsync(transport, topic);
        await HasNoAgeAsync(late);

        var stored = Time.GetTimestamp();
        await StoreAsync(transport, On(topic, Message()));
        await DepthIsAsync(transport, queue, depth => depth.OldestAge is not { } age || age > Fixture.Quiet / 2, "the age of the first");
        await DepthIsAsync(transport, late, depth => depth.OldestAge is not { } age || age < Time.GetElapsedTime(stored) + (Fixture.Quiet / 2), "the age of what it has got");

        var receiver = await OpenAsync(transport, queue);
        await AckAsync(receiver, [.. await TakeAsync(receiver, 2)]);
        await HasNoAgeAsync(queue);

        ValueTask HasNoAgeAsync(string of) => DepthIsAsync(transport, of, static depth => depth.OldestAge is not { } age || age == TimeSpan.Zero, "no age");
    }

    [Scenario(Fault.CountsNothing)]
    public async Task The_depth_of_a_queue_that_does_not_exist_is_an_error()
    {
        var depth = Assert.IsAssignableFrom<IQueueDepth>(await ConnectAsync());

        var e = await Assert.ThrowsAsync<TransportException>(() => depth.DepthAsync(NewName(), Deadline).AsTask());

        Assert.Equal(TransportError.QueueNotFound, e.Reason);
    }
}
