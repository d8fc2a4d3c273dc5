namespace Postrider.WebShop;

/// <summary>How much was taken from the stock.</summary>
public sealed class Stock
{
    private int _taken;

    public int Taken => Volatile.Read(ref _taken);

    public void Take() => Interlocked.Increment(ref _taken);
}

[Message("orders.placed")]
public sealed record OrderPlaced(int Id);

public sealed class StockConsumer(Stock stock) : IConsumer<OrderPlaced>
{
    public ValueTask<Outcome> ConsumeAsync(OrderPlaced message, ConsumeContext context, CancellationToken cancellationToken)
    {
        stock.Take();
        return new(Outcome.Ack);
    }
}
