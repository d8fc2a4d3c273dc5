using System.Collections.Concurrent;

namespace Postrider.Storefront.Consumers;

/// <summary>Reserves the goods. An order for something that the shop does not sell is for a person to look at, not to be tried again.</summary>
public sealed class InventoryConsumer(Warehouse warehouse) : IConsumer<OrderPlaced>
{
    public ValueTask<Outcome> ConsumeAsync(OrderPlaced message, ConsumeContext context, CancellationToken cancellationToken)
    {
        var unknown = message.Lines.FirstOrDefault(line => !warehouse.Sells(line.Sku));
        if (unknown is not null)
        {
            return ValueTask.FromResult(Outcome.DeadLetter($"The shop does not sell '{unknown.Sku}'."));
        }

        foreach (var line in message.Lines)
        {
            warehouse.Reserve(line.Sku, line.Quantity);
        }

        return ValueTask.FromResult(Outcome.Ack);
    }
}

/// <summary>What the shop sells, and how much of it is reserved.</summary>
public sealed class Warehouse
{
    private static readonly string[] Goods =
    [
        "CHAIR-A", "CHAIR-B", "CLOCK-7", "DESK-OAK", "DESK-STD", "LAMP-01", "LAMP-02",
        "MIRROR-R", "MUG-SET", "RUG-BLUE", "RUG-RED", "SHELF-120", "SHELF-60", "VASE-XL",
    ];

    private readonly ConcurrentDictionary<string, long> _reserved = new(Goods.Select(sku => KeyValuePair.Create(sku, 0L)));

    public bool Sells(string sku) => _reserved.ContainsKey(sku);

    public void Reserve(string sku, int quantity) => _reserved.AddOrUpdate(sku, quantity, (_, before) => before + quantity);
}
