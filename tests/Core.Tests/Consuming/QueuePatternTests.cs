using Postrider.Core.Consuming;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Which names and patterns may mean the same queue.</summary>
public sealed class QueuePatternTests
{
    [Theory]
    [InlineData("orders", "orders", true)]
    [InlineData("orders", "orders_eu", false)]
    [InlineData("tenant_a", "tenant_*", true)]
    [InlineData("tenant_", "tenant_*", true)]
    [InlineData("tenan", "tenant_*", false)]
    [InlineData("tenant_*", "tenant_a*", true)]
    [InlineData("tenant_*", "orders_*", false)]
    [InlineData("orders", "*", true)]
    [InlineData("tenant_*", "*", true)]
    public void Overlap_is_that_a_queue_may_be_meant_by_both(string one, string other, bool expected) =>
        Assert.Equal((expected, expected), (QueuePattern.Overlap(one, other), QueuePattern.Overlap(other, one)));
}
