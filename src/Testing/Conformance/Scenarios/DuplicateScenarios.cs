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
