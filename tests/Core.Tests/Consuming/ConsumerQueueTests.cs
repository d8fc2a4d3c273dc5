using System.Collections.Frozen;
using Postrider.Core.Consuming;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Which consumer of a queue gets a message, and how many are under way at first.</summary>
public sealed class ConsumerQueueTests
{
    private static readonly ConsumerQueue Queue = ConsumingParts.QueueOf(Consumer("typed"));

    [Fact]
    public void A_message_of_no_type_goes_to_the_consumer_of_text_and_bytes_or_else_to_the_only_one()
    {
        var (typed, other, fallback) = (Consumer("typed"), Consumer("other"), Consumer("fallback"));
        var one = Queue with { ByType = Of(("a", typed), ("former.a", typed)) };
        var two = Queue with { ByType = Of(("a", typed), ("b", other)) };

        Assert.Same(typed, one.Find(new() { Id = "1" }));
        Assert.Null(two.Find(new() { Id = "1" }));
        Assert.Same(fallback, (one with { Fallback = fallback }).Find(new() { Id = "1" }));
        Assert.Same(typed, (one with { Fallback = fallback }).Find(new() { Id = "1", Type = "former.a" }));
        Assert.Same(fallback, (one with { Fallback = fallback }).Find(new() { Id = "1", Type = "c" }));
        Assert.Null(one.Find(new() { Id = "1", Type = "c" }));

        static FrozenDictionary<string, BuiltConsumer> Of(params (string Type, BuiltConsumer Consumer)[] all) =>
            all.ToFrozenDictionary(static one => one.Type, static one => one.Consumer);
    }

    [Theory]
    [InlineData(1, false, 32, 512)]
    [InlineData(100, false, 200, 512)]
    [InlineData(400, false, 800, 800)]
    [InlineData(100, true, 100, 512)]
    public void Twice_what_runs_at_once_is_under_way_at_first_unless_what_is_urgent_is_to_overtake(int concurrency, bool priorities, int first, int largest)
    {
        var queue = Queue with { Concurrency = concurrency, Priority = priorities ? new() : null };

        Assert.Equal((first, largest), (queue.FirstWindow, queue.LargestWindow));
    }

    private static BuiltConsumer Consumer(string name) => new(name, static _ => new(Outcome.Ack), RetryPolicy.Default);
}
