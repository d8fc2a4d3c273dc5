using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>A process stands by while another one has a higher number for the queue.</summary>
public sealed class ConsumerPriorityTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 0)]
    [InlineData(-2, -1)]
    [InlineData(3, 4)]
    public async Task The_lower_stands_by_while_the_higher_is_there(int lower, int higher)
    {
        var broker = new InMemoryBroker();
        await using var low = await HostAsync(broker, lower);
        await IsAsync(low, QueueState.Receiving);
        var high = await HostAsync(broker, higher);
        await using (high)
        {
            await IsAsync(high, QueueState.Receiving);
            await IsAsync(low, QueueState.Standby);
        }

        await IsAsync(low, QueueState.Receiving);
    }

    [Fact]
    public async Task Equals_share_the_queue()
    {
        var broker = new InMemoryBroker();
        await using var one = await HostAsync(broker, 1);
        await using var other = await HostAsync(broker, 1);
        await using var third = await HostAsync(broker, 0);
        await IsAsync(third, QueueState.Standby);
        await IsAsync(one, QueueState.Receiving);
        await IsAsync(other, QueueState.Receiving);
    }

    [Fact]
    public async Task When_the_higher_dies_without_a_word_the_lower_goes_on_after_its_time_to_live()
    {
        var broker = new InMemoryBroker();
        var store = new CutStore(broker);
        await using var high = await HostAsync(broker, 1, m => m.UseStateStore(_ => store));
        await IsAsync(high, QueueState.Receiving);
        await using var low = await HostAsync(broker, 0);
        await IsAsync(low, QueueState.Standby);
        store.IsCut = true;
        await IsAsync(low, QueueState.Receiving);
    }

    private static Task IsAsync(TestHost host, QueueState state) => Eventually.IsAsync(() => host.Status.Queues["shared"] == state);

    private static Task<TestHost> HostAsync(InMemoryBroker broker, int priority, Action<MessagingBuilder>? register = null) => TestHost.StartAsync(m =>
    {
        m.UseInMemory(broker).AddConsumer<Ping>("shared", static (_, _, _) => new(Outcome.Ack), options => options with { ConsumerPriority = priority });
        m.Configure(static options => options with { HeartbeatInterval = TimeSpan.FromMilliseconds(200), ProcessTimeToLive = TimeSpan.FromSeconds(1) });
        register?.Invoke(m);
    });
}
