using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>How much is left in a queue, which tells when a transport is drained.</summary>
public abstract class DepthScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.CountsNothing)]
    public async Task A_queue_counts_what_is_ready_delayed_in_hand_and_to_be_tried_again_until_it_is_settled()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
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

    [Scenario(Fault.CountsNothing)]
    public async Task The_depth_of_a_queue_that_does_not_exist_is_an_error()
    {
        var depth = Assert.IsAssignableFrom<IQueueDepth>(await ConnectAsync());

        var e = await Assert.ThrowsAsync<TransportException>(() => depth.DepthAsync(NewName(), Deadline).AsTask());

        Assert.Equal(TransportError.QueueNotFound, e.Reason);
    }
}
