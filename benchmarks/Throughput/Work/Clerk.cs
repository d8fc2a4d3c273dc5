namespace Postrider.Throughput.Work;

/// <summary>The scoped service that each handler has injected: where a message's way ends.</summary>
public sealed class Clerk(Ledger ledger, Shape shape)
{
    public ValueTask TakeAsync(Order order, Received received)
    {
        ArgumentNullException.ThrowIfNull(order);
        ledger.Handled(order.Number, received.IsComplete);
        var time = shape.SlowEvery > 0 && order.Number % shape.SlowEvery == 0 ? shape.SlowTime : shape.HandlerTime;
        return time == TimeSpan.Zero ? ValueTask.CompletedTask : new(Task.Delay(time, TimeProvider.System));
    }
}
