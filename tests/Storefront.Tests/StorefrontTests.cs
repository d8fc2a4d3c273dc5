using System.Text;
using System.Text.Json;

namespace Postrider.Storefront.Tests;

public sealed class StorefrontTests
{
    private static readonly string[] Consumers = ["billing", "inventory", "notifications"];

    [Fact]
    public async Task Without_options_every_copy_of_every_shipped_order_is_accounted_for()
    {
        var run = await Run.Storefront();

        AssertComplete(run, Expected.Of(await File.ReadAllBytesAsync(Run.ShippedOrders)));
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task Orders_come_from_standard_input_too()
    {
        var orders = Encoding.UTF8.GetBytes(string.Join('\n', File.ReadLines(Run.ShippedOrders).Take(130)));

        AssertComplete(await Run.Storefront(orders, NoVariables, "--input", "-"), Expected.Of(orders));
    }

    [Fact]
    public async Task Input_of_which_no_line_is_an_order_becomes_dead_letters_and_nothing_else()
    {
        byte[] orders = [.. "\uFEFF{}\r\nnot JSON\r\n\r\n[1]\n\"\u0000\u001b[31m\"\n{\"number\":1,\n"u8, 0xFF, 0xFE, (byte)'\n', 0];

        var run = await Run.Storefront(orders, NoVariables, "-i", "-");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("Skipped 1 blank lines.", run.Output);
        Assert.DoesNotContain('\u001b', run.Output);
        foreach (var consumer in Consumers)
        {
            Assert.Equal([0, 0, 7, 0], run.Consumer(consumer));
            Assert.Equal(new() { ["malformed"] = 7 }, run.DeadLetters(consumer));
        }
    }

    [Fact]
    public async Task Empty_input_is_no_error()
    {
        var run = await Run.Storefront(default, NoVariables, "-i", "-");

        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("Published 0 orders", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_too_long_to_be_a_message_is_named_and_the_others_go_on()
    {
        var orders = Encoding.UTF8.GetBytes($"{new string('x', 3 * 1024 * 1024)}\n{File.ReadLines(Run.ShippedOrders).First()}\n{new string('y', 1024 * 1024)}");

        var run = await Run.Storefront(orders, NoVariables, "-i", "-");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Line 1 was not published.", run.Output);
        Assert.Contains("NOT every copy is accounted for: 0 copies are missing, 1 orders were not published.", run.Output);
        foreach (var consumer in Consumers)
        {
            Assert.Equal([1, 0, 1, 0], run.Consumer(consumer));
        }
    }

    [Fact]
    public Task A_missing_file_is_one_line_and_exit_code_66() => AssertOneLine(66, "no-such-file.ndjson", "--input", "no-such-file.ndjson");

    [Fact]
    public Task An_unknown_transport_is_one_line_and_exit_code_78() => AssertOneLine(78, "'pigeon'", "--transport", "pigeon");

    [Theory]
    [InlineData("--inptu", "--inptu", "x")]
    [InlineData("--transport", "--connection", "Host=nowhere")]
    [InlineData("--concurrency", "--concurrency", "many")]
    public Task A_wrong_option_is_one_line_and_exit_code_64(string names, params string[] arguments) => AssertOneLine(64, names, arguments);

    [Fact]
    public async Task The_environment_wins_over_the_file_and_the_command_line_over_both()
    {
        var environment = new Dictionary<string, string> { ["Messaging__Transport"] = "pigeon" };

        Assert.Equal(78, (await Run.Storefront(default, environment, "-i", "-")).ExitCode);
        Assert.Equal(0, (await Run.Storefront(default, environment, "-i", "-", "--transport", "inmemory")).ExitCode);
    }

    private static Dictionary<string, string> NoVariables => [];

    private static async Task AssertOneLine(int exitCode, string says, params string[] arguments)
    {
        var run = await Run.Storefront(arguments);

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains(says, run.Error);
        Assert.Equal(1, run.Error.Count(c => c == '\n'));
    }

    private static void AssertComplete(Run run, Expected expected)
    {
        Assert.True(run.ExitCode == 0, run.Output + run.Error);
        Assert.Contains($"Published {expected.Orders:N0} orders, {3 * expected.Orders:N0} copies", run.Output);
        Assert.Contains("Every copy is accounted for.", run.Output);
        foreach (var (consumer, (retried, reasons)) in expected.Consumers)
        {
            var dead = reasons.Values.Sum();
            Assert.Equal([expected.Orders - dead, retried, dead, 0], run.Consumer(consumer));
            Assert.Equal(reasons, run.DeadLetters(consumer));
        }
    }

    /// <summary>What must come of an input, worked out from the input alone.</summary>
    private sealed record Expected(long Orders, Dictionary<string, (long Retried, Dictionary<string, long> Reasons)> Consumers)
    {
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
}
