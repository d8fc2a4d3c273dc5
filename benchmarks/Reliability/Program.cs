using System.CommandLine;
using Postrider.Reliability;
using Postrider.Reliability.Rig;
using Postrider.Reliability.Rows;

var broker = new Option<string>("--broker") { HelpName = "A,B", Description = "Which brokers.", DefaultValueFactory = static _ => "pgmq,rabbitmq,nats" };
var rows = new Option<string?>("--rows") { HelpName = "1,2", Description = "Which rows; all of the set without it." };
var set = new Option<string>("--set") { HelpName = "SET", Description = "short: seconds a row, for CI; full: some twelve minutes a broker.", DefaultValueFactory = static _ => "full" };
set.AcceptOnlyFromAmong("short", "full");
var output = new Option<string?>("--output") { HelpName = "FILE", Description = "The Markdown file for the results; docs/reliability.md for full, none for short." };

var root = new RootCommand("Breaks brokers, networks and processes on purpose, and counts what is lost, by a ledger of real processes.") { broker, rows, set, output };
root.SetAction(async (options, cancellationToken) =>
{
    var sizes = options.GetValue(set) == "full" ? Sizes.Full : Sizes.Short;
    var chosen = Row.All.Where(row => options.GetValue(rows) is { } text ? Names(text).Contains(row.Number.ToString(null as IFormatProvider)) : sizes.IsFull || row.IsInShort).ToList();
    var failed = 0;
    foreach (var kind in Names(options.GetValue(broker)!).Select(Kind.Find))
    {
        failed += await Report.RunAsync(kind, chosen, sizes, options.GetValue(output) ?? (sizes.IsFull ? Report.DefaultPath : null), cancellationToken);
    }

    return failed == 0 ? 0 : 1;
});

var job = new Argument<string>("JOB");
var worker = new Command("worker", "A consumer that is made to be killed.") { job };
worker.Hidden = true;
worker.SetAction((options, _) => WorkerProgram.RunAsync(options.GetValue(job)!));
root.Subcommands.Add(worker);

return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static string[] Names(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
