using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Two messages of one id: where the transport says that it finds duplicates it must, and elsewhere both must arrive.</summary>
public abstract class DuplicateScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.SwallowsSameIds, Fault.DuplicatesMessages)]
    public async Task A_second_message_of_the_same_id_is_a_duplicate_or_arrives()
    {
        var (transport, queue, receiver) = await StartAsync();
        var message = Message();
        await SendAsync(transport, queue, message);

        var second = Assert.Single(await PublishAsync(transport, To(queue, message)));

        var detects = transport.Capabilities.DuplicateDetection.IsSupported;
        Assert.Equal(detects ? PublishStatus.Duplicate : PublishStatus.Stored, second.Status);
        await DrainAsync(receiver, detects ? 1 : 2);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.SwallowsSameIds)]
    public async Task The_same_id_in_another_queue_is_no_duplicate()
    {
        var (transport, queue, receiver) = await StartAsync();
        var other = await QueueAsync(transport);
        var message = Message();

        await StoreAsync(transport, To(queue, message), To(other, message));

        AssertSame([message], await DrainAsync(receiver, 1));
        AssertSame([message], await DrainAsync(await OpenAsync(transport, other), 1));
    }

    [Scenario(Fault.SwallowsSameIds)]
    public async Task The_same_id_on_another_topic_is_no_duplicate()
    {
        var (transport, one, other) = (await ConnectAsync(), NewName(), NewName());
        var receiver = await OpenAsync(transport, await QueueAsync(transport, one, other));
        var message = Message();

        await StoreAsync(transport, On(one, message), On(other, message));

        Assert.Equal(new[] { one, other }.Order(), (await DrainAsync(receiver, 2)).Select(static one => one.Envelope.Topic).Order());
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.SwallowsSameIds, Fault.DuplicatesMessages)]
    public async Task Of_one_id_twice_in_a_batch_the_second_is_a_duplicate_or_arrives()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        string[] queues = [await QueueAsync(transport, topic), await QueueAsync(transport, topic)];
        var (message, another) = (Message(), Message());

        var results = await PublishAsync(transport, On(topic, message), On(topic, another), On(topic, message));

        var detects = transport.Capabilities.DuplicateDetection.IsSupported;
        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored, detects ? PublishStatus.Duplicate : PublishStatus.Stored], results.Select(static one => one.Status));
        foreach (var queue in queues)
        {
            var receiver = await OpenAsync(transport, queue);
            AssertSame(detects ? [message, another] : [message, another, message], await DrainAsync(receiver, detects ? 2 : 3));
            await NothingComesAsync(receiver);
        }
    }

    [Scenario(Fault.BurnsIds)]
    public async Task A_publish_that_failed_does_not_burn_the_id()
    {
        var (transport, queue, topic) = (await ConnectAsync(), NewName(), NewName());
        var (sent, published) = (Message(), Message());
        var failed = await PublishAsync(transport, To(queue, sent), On(topic, published));
        Assert.Equal([PublishStatus.Unroutable, PublishStatus.Unroutable], failed.Select(static one => one.Status));
        await DeclareAsync(transport, queue, topic);

        await StoreAsync(transport, To(queue, sent), On(topic, published));

        AssertSame([sent, published], await DrainAsync(await OpenAsync(transport, queue), 2));
    }

    [Scenario(Fault.SwallowsSameIds)]
    public async Task A_message_that_says_by_what_it_is_known_is_no_duplicate_of_its_id()
    {
        var (transport, queue, receiver) = await StartAsync();
        var message = Message();
        await SendAsync(transport, queue, message);

        await StoreAsync(transport, To(queue, message) with { DuplicateId = $"again {message.Id}" });

        AssertSame([message, message], await DrainAsync(receiver, 2));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.HidesReasons)]
    public async Task Capabilities_are_constant_and_what_is_not_native_is_explained()
    {
        var one = (await ConnectAsync()).Capabilities;
        var two = (await ConnectAsync()).Capabilities;

        Assert.Equal(one, two);
        Assert.NotEmpty(one.System);
        Assert.All(
            [
                one.Durability, one.DelayedPublish, one.LeaseRenewal, one.Fencing,
                one.UncountedRelease, one.ConfirmedSettlement, one.DuplicateDetection, one.Priorities, one.Transactions,
            ],
            static capability => Assert.Equal(capability.Level != CapabilityLevel.Native, !string.IsNullOrWhiteSpace(capability.How)));
    }
}
