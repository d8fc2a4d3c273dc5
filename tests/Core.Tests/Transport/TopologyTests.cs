using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

public sealed class TopologyTests
{
    [Fact]
    public void Keeps_what_it_is_given()
    {
        var topology = new Topology(["orders", "audit"], [new("orders.#", "orders"), new("#", "audit")]);

        Assert.Equal(["orders", "audit"], topology.Queues);
        Assert.Equal([new("orders.#", "orders"), new("#", "audit")], topology.Bindings);
    }

    [Theory]
    [InlineData("Orders")]
    [InlineData("orders.dlq")]
    [InlineData("")]
    [InlineData(null)]
    public void Refuses_illegal_queues(string? queue) => Assert.Throws<MessagingConfigurationException>(() => new Topology([queue!], []));

    [Fact]
    public void Refuses_illegal_patterns() =>
        Assert.Throws<MessagingConfigurationException>(() => new Topology(["orders"], [new("orders.>", "orders")]));

    [Fact]
    public void Refuses_a_binding_to_a_queue_that_it_does_not_have()
    {
        var exception = Assert.Throws<MessagingConfigurationException>(() => new Topology(["orders"], [new("stock.#", "stock")]));

        Assert.Contains("'stock.#'", exception.Message, StringComparison.Ordinal);
        Assert.Contains("'stock'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Has_priorities_for_queues_of_its_own_only()
    {
        Assert.Empty(new Topology(["orders"], []).PriorityQueues);
        Assert.Equal(["orders"], new Topology(["orders", "audit"], [], ["orders"]).PriorityQueues);
        var e = Assert.Throws<MessagingConfigurationException>(() => new Topology(["orders"], [], ["orders", "stock"]));
        Assert.Contains("'stock'", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.b", "a-b")]
    [InlineData("a.b", "a_b")]
    [InlineData("orders", "orders_dlq")]
    [InlineData("orders", "orders-dlq")]
    public void Refuses_queues_that_are_one_on_a_broker_without_dots_and_dashes(string one, string other)
    {
        var e = Assert.Throws<MessagingConfigurationException>(() => new Topology([one, other], []));

        Assert.Contains($"'{one}'", e.Message, StringComparison.Ordinal);
        Assert.Contains($"'{other}'", e.Message, StringComparison.Ordinal);
        Assert.Equal([one, one], new Topology([one, one], []).Queues);
    }

    [Fact]
    public void Refuses_missing_lists()
    {
        Assert.Throws<ArgumentNullException>(() => new Topology(null!, []));
        Assert.Throws<ArgumentNullException>(() => new Topology([], null!));
    }
}
