using System.CommandLine;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Orchestration;
using Postrider.Throughput.Scenarios;
using Spectre.Console;

var set = new Option<string>("--set") { HelpName = "SET", Description = "smoke: a minute, no times; gate: a quarter of an hour; full: hours.", DefaultValueFactory = _ => "gate" };
set.AcceptOnlyFromAmong(Plan.Sets);
var broker = List("--broker", "Only these brokers.");
var only = List("--only", "Only these contenders, such as raw or rabbitmq/raw. Rivals too, which the gate leaves out.");
var scenario = List("--scenario", "Only these scenarios, of all there are.");
var rounds = new Option<int?>("--rounds") { HelpName = "N", Description = "How many times everybody has a turn." };
var output = new Option<string?>("--output") { HelpName = "FILE", Description = "The Markdown file for the results; docs/performance.md, and none for smoke." };

var root = new RootCommand("Postrider beside raw clients and other frameworks, doing the same work in one run.") { set, broker, only, scenario, rounds, output };
root.SetAction(async (options, cancellationToken) =>
{
    var plan = Plan.Of(
        options.GetValue(set)!, Names(options.GetValue(broker)), Names(options.GetValue(only)), Names(options.GetValue(scenario)), options.GetValue(rounds));
    AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, 200);
    var report = options.GetValue(output) ?? (plan.IsSmoke ? null : Report.DefaultPath);
    return await new Runner(plan, report, AnsiConsole.Console).RunAsync(cancellationToken) ? 0 : 1;
});

var contender = new Option<string>("--contender") { Required = true };
var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 1 };
var large = new Option<int>("--large") { DefaultValueFactory = _ => 1_000_000 };
var run = new Command("run", "One contender in this process; the address is in the environment. Each line of input names scenarios, and is answered by a line of JSON.") { contender, seconds, large };
run.SetAction(async (options, _) =>
{
    await Child.WorkAsync(
        Catalog.Find(options.GetValue(contender)!), new(options.GetValue(seconds), options.GetValue(large)), Console.In, Console.Out);
    return 0;
});
root.Subcommands.Add(run);

var queue = new Option<string>("--queue") { Required = true };
var victim = new Command("victim", "A consumer that is made to be killed.") { contender, queue };
victim.Hidden = true;
victim.SetAction((options, cancellationToken) => Kill.RunVictimAsync(
    options.GetValue(contender)!, options.GetValue(queue)!, Environment.GetEnvironmentVariable(Child.ConnectionVariable) ?? "", cancellationToken));
root.Subcommands.Add(victim);

try
{
    // A broker takes its time to stop after Ctrl-C.
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30), EnableDefaultExceptionHandler = false });
}
catch (ArgumentException e)
{
    Console.Error.WriteLine($"throughput: {e.Message}");
    return 64;
}

static Option<string?> List(string name, string description) => new(name) { HelpName = "A,B", Description = description };

static string[] Names(string? list) => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
