using System.Text;

namespace Postrider.Storefront.Tests;

public sealed class StorefrontTests
{
    private static readonly string[] Consumers = ["billing", "inventory", "notifications"];

    [Fact]
    public async Task Without_options_every_copy_of_every_shipped_order_is_accounted_for()
    {
        var run = await Run.Storefront();

        Expected.Of(await File.ReadAllBytesAsync(Run.ShippedOrders)).AssertOf(run);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task Orders_come_from_standard_input_too_with_or_without_the_marks_of_other_systems()
    {
        var orders = Encoding.UTF8.GetBytes(string.Join("\r\n", File.ReadLines(Run.ShippedOrders).Take(130)));

        Expected.Of(orders).AssertOf(await Run.Storefront((byte[])[.. "\uFEFF"u8, .. orders], NoVariables, "--input", "-"));
    }

    [Fact]
    public async Task Input_of_which_no_line_is_an_order_becomes_dead_letters_and_nothing_else()
    {
        byte[] orders = [.. "{}\r\nnot JSON\r\n\r\n[1]\n\"\u0000\u001b[31m\"\n{\"number\":1,\n"u8, 0xFF, 0xFE, (byte)'\n', 0];

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
    public async Task Described_it_tells_what_it_consists_of_and_asks_no_broker()
    {
        var run = await Run.Storefront(default, new Dictionary<string, string> { ["Messaging__Transport"] = "nats" }, "--describe", "--drain-from", "rabbitmq");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("transport nats (nats), the default", run.Output);
        Assert.Contains("transport rabbitmq (rabbitmq), is drained", run.Output);
        Assert.All(Consumers, consumer => Assert.Contains($"queue {consumer}: concurrency 16", run.Output));
    }

    [Fact]
    public async Task Empty_input_is_no_error()
    {
        var run = await Run.Storefront(default, NoVariables, "-i", "-");

        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("Published 0 orders", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interrupted_it_ends_what_runs_and_says_so_with_exit_code_130()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no signal to send on Windows");

        var run = await Run.InterruptedStorefront(Encoding.UTF8.GetBytes(File.ReadLines(Run.ShippedOrders).First() + "\n"));

        Assert.Equal(130, run.ExitCode);
        Assert.Contains("Interrupted: 0 copies were under way.", run.Output);
        Assert.Equal([1, 0, 0, 0], run.Consumer("billing"));
        Assert.Empty(run.Error);
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
    [InlineData("--conection", "--transport", "pgmq", "--conection=Host=nowhere;Password=hunter2")]
    [InlineData("quotes", "--transport", "pgmq", "--connection", "Host=nowhere;User", "Id=shop;Password=hunter2")]
    public async Task A_wrong_option_is_one_line_without_a_secret_and_exit_code_64(string names, params string[] arguments) =>
        Assert.DoesNotContain("hunter2", await AssertOneLine(64, names, arguments));

    [Fact]
    public async Task The_environment_wins_over_the_file_and_the_command_line_over_both()
    {
        var environment = new Dictionary<string, string> { ["Messaging__Transport"] = "pigeon" };

        Assert.Equal(78, (await Run.Storefront(default, environment, "-i", "-")).ExitCode);
        Assert.Equal(0, (await Run.Storefront(default, environment, "-i", "-", "--transport", "inmemory")).ExitCode);
    }

    private static Dictionary<string, string> NoVariables => [];

    internal static async Task<string> AssertOneLine(int exitCode, string says, params string[] arguments)
    {
        var run = await Run.Storefront(arguments);

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains(says, run.Error);
        Assert.Equal(1, run.Error.Count(c => c == '\n'));
        return run.Error;
    }
}
