using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

public sealed class SettlementTests
{
    private static readonly Delivery AnyDelivery = new TestDelivery();

    [Fact]
    public void Each_kind_carries_what_belongs_to_it()
    {
        var info = new DeadLetterInfo { Reason = DeadLetterReason.Exhausted, Queue = "orders" };

        Check(Settlement.Ack(AnyDelivery), SettlementKind.Ack, TimeSpan.Zero, null);
        Check(Settlement.Retry(AnyDelivery, TimeSpan.FromSeconds(5)), SettlementKind.Retry, TimeSpan.FromSeconds(5), null);
        Check(Settlement.DeadLetter(AnyDelivery, info), SettlementKind.DeadLetter, TimeSpan.Zero, info);
        Check(Settlement.Release(AnyDelivery), SettlementKind.Release, TimeSpan.Zero, null);
    }

    [Fact]
    public void A_negative_delay_is_none() => Assert.Equal(TimeSpan.Zero, Settlement.Retry(AnyDelivery, TimeSpan.MinValue).Delay);

    private static void Check(Settlement settlement, SettlementKind kind, TimeSpan delay, DeadLetterInfo? info)
    {
        Assert.Same(AnyDelivery, settlement.Delivery);
        Assert.Equal((kind, delay, info), (settlement.Kind, settlement.Delay, settlement.Info));
    }

    private sealed class TestDelivery() : Delivery("orders", new Envelope { Id = "1" }, 0);
}
