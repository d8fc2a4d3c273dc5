using System.Text;
using System.Text.Json;

namespace Postrider.Storefront.Tests;

/// <summary>What must come of an input, worked out from the input alone.</summary>
internal sealed record Expected(long Orders, Dictionary<string, (long Retried, Dictionary<string, long> Reasons)> Consumers)
{
    public void AssertOf(Run run)
    {
        Assert.True(run.ExitCode == 0, run.Output + run.Error);
        Assert.Contains($"Published {Orders:N0} orders, {3 * Orders:N0} copies", run.Output);
        Assert.Contains("Every copy is accounted for.", run.Output);
        foreach (var (consumer, (retried, reasons)) in Consumers)
        {
            var dead = reasons.Values.Sum();
            Assert.Equal([Orders - dead, retried, dead, 0], run.Consumer(consumer));
            Assert.Equal(reasons, run.DeadLetters(consumer));
        }
    }

    public static Expected Of(byte[] input)
    {
        var lines = Encoding.UTF8.GetString(input).Split('\n').Where(line => !string.IsNullOrWhiteSpace(line)).ToList();
        var orders = lines.Select(Parse).OfType<JsonElement>().ToList();
        var blocked = orders.Count(order => Payment(order) == "tok_blocked");
        var silent = orders.Count(order => Payment(order) == "tok_silent");
        var unknown = orders.Count(order => order.GetProperty("lines").EnumerateArray().Any(line => line.GetProperty("sku").GetString() == "SOFA-99"));
        var charged = orders.Where(order => Payment(order) is not ("tok_blocked" or "tok_silent")).Select(order => order.GetProperty("number").GetInt32()).ToList();
        var retried = charged.Count(number => number % 25 == 0) + charged.Count(number => number % 200 == 0) + (2 * silent);
        var malformed = lines.Count - orders.Count;
        return new(lines.Count, new()
        {
            ["billing"] = (retried, Reasons(("malformed", malformed), ("non-retryable", blocked), ("exhausted", silent))),
            ["inventory"] = (0, Reasons(("malformed", malformed), ("rejected", unknown))),
            ["notifications"] = (0, Reasons(("malformed", malformed))),
        });
    }

    private static string? Payment(JsonElement order) => order.GetProperty("payment").GetString();

    private static Dictionary<string, long> Reasons(params (string Name, int Count)[] reasons) =>
        reasons.Where(reason => reason.Count > 0).ToDictionary(reason => reason.Name, reason => (long)reason.Count);

    /// <summary>The order, or null if the line is none.</summary>
    private static JsonElement? Parse(string line)
    {
        try
        {
            var order = JsonDocument.Parse(line).RootElement;
            _ = (order.GetProperty("number").GetInt32(), order.GetProperty("placedAt").GetDateTimeOffset(), order.GetProperty("currency").GetString()!.Length,
                order.GetProperty("customer").GetProperty("email").GetString()!.Length,
                order.GetProperty("lines").EnumerateArray().Sum(item => item.GetProperty("quantity").GetInt32()));
            return order;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
