using System.Text.Json;

namespace Postrider.Throughput.Work;

/// <summary>What everybody sends: 256 bytes of JSON unless the scenario wants more.</summary>
[Message(Order.TypeName)]
public sealed record Order(int Number, string Customer, string Product, int Quantity, decimal Price, string Note)
{
    public const string TypeName = "bench.order";

    /// <summary>The same options for all, those of the web defaults that Postrider uses too.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private static readonly string[] Customers = [.. Enumerable.Range(0, 64).Select(i => $"customer-{i:00000}")];

    /// <summary>A note that fills an order up to this many bytes of JSON.</summary>
    public static string Padding(int bodyBytes)
    {
        var bare = JsonSerializer.SerializeToUtf8Bytes(Create(100_000, ""), Json).Length;
        return new string('x', Math.Max(0, bodyBytes - bare));
    }

    public static Order Create(int number, string note) => new(number, Customers[number % Customers.Length], "PR-7700-postilion-saddle", 3, 149.90m, note);
}
