using System.CommandLine;
using Postrider;
using Postrider.Storefront;
using Spectre.Console;

var input = new Option<string?>("--input", "-i")
{
    HelpName = "FILE",
    Description = "Orders, one JSON object per line; '-' for standard input. Without it: the shipped orders.ndjson.",
};
var transport = new Option<string?>("--transport", "-t")
{
    HelpName = "NAME",
    Description = "The broker: inmemory, pgmq, rabbitmq or nats. Otherwise Messaging__Transport in the environment, or appsettings.json.",
};
var connection = new Option<string?>("--connection", "-c")
{
    HelpName = "STRING",
    Description = "How to reach the broker. Better in the environment, as Messaging__Pgmq__ConnectionString and so on: other users see command lines.",
};
var drainFrom = new Option<string?>("--drain-from")
{
    HelpName = "NAME",
    Description = "Another broker, that an earlier run used: work on what it has left there, too, until it is empty.",
};
var describe = new Option<bool>("--describe") { Description = "Say what messaging consists of here, and do nothing." };
var concurrency = new Option<int>("--concurrency")
{
    HelpName = "N",
    Description = "How many orders each consumer handles at once.",
    DefaultValueFactory = _ => 16,
};
var serve = new Option<string?>("--serve")
{
    HelpName = "URL",
    Description = "Serve /metrics, /health/live and /health/ready there (http://127.0.0.1:9464), and stay open after the last order until Ctrl-C.",
};
var verbose = new Option<bool>("--verbose", "-v") { Description = "Show the log, on standard error." };

var command = new RootCommand("A shop on Postrider: publishes orders; billing, inventory and notifications work on them.")
{
    input, transport, connection, drainFrom, concurrency, serve, verbose, describe,
};
command.Validators.Add(result =>
{
    if (result.GetValue(connection) is not null && result.GetValue(transport) is null)
    {
        result.AddError("--connection needs --transport, to say for which broker it is.");
    }
});
command.SetAction(RunAsync);

var parsed = command.Parse(args);
return parsed.Errors is [var error, ..]
    ? Failed(ExitCodes.Usage, $"{Unknown(parsed.UnmatchedTokens) ?? error.Message} See --help.")
    : await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }); // Ctrl-C is the host's.

async Task<int> RunAsync(ParseResult options, CancellationToken cancellationToken)
{
    var path = options.GetValue(input) ?? Path.Combine(AppContext.BaseDirectory, "orders.ndjson");
    var configuration = new Dictionary<string, string?> { ["Storefront:Concurrency"] = $"{options.GetValue(concurrency)}" };
    if (options.GetValue(transport) is { } name)
    {
        configuration["Messaging:Transport"] = name;
        if (options.GetValue(connection) is { } text)
        {
            configuration[$"Messaging:{name}:ConnectionString"] = text;
        }
    }

    if (options.GetValue(serve) is { } url)
    {
        configuration[Observability.Key] = url;
    }

    if (options.GetValue(drainFrom) is { } old)
    {
        configuration["Messaging:DrainFrom"] = old;
    }

    try
    {
        if (options.GetValue(describe))
        {
            Console.Write(Shop.Describe(configuration));
            return 0;
        }

        await using var orders = OrderFeed.Open(path);
        var console = AnsiConsole.Console;
        console.Profile.Width = console.Profile.Out.IsTerminal ? Math.Max(console.Profile.Width, 80) : 120;
        return await new Shop(console, options.GetValue(verbose)).RunAsync(orders, configuration);
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException)
    {
        return Failed(ExitCodes.NoInput, $"The orders cannot be read. {e.Message}");
    }
    catch (MessagingConfigurationException e)
    {
        return Failed(ExitCodes.Configuration, e.Message);
    }
    catch (TransportException e)
    {
        return Failed(e.ExitCode, e.IsTransient
            ? $"The broker is not available: {e.Message} Start it (compose.yaml has them all: docker compose up -d --wait), or use --transport inmemory."
            : $"The broker cannot be used: {e.Message}");
    }
}

// A word that is not understood may be a part of a connection string: it is not repeated.
static string? Unknown(IReadOnlyList<string> words) => words switch
{
    [] => null,
    [['-', ..] option, ..] => $"There is no option {option.Split('=', ':')[0]}.",
    _ => "There is a word that belongs to no option. Put quotes around a value with spaces.",
};

static int Failed(int exitCode, string message)
{
    Console.Error.WriteLine($"storefront: {message.ReplaceLineEndings(" ")}");
    return exitCode;
}
