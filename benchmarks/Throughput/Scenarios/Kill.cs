using System.Globalization;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Orchestration;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>A consumer's process is killed in the middle of a backlog; another takes over. How many messages are handled twice?</summary>
internal sealed class Kill() : Scenario("kill", "Duplicates after a kill of the consumer in the middle of a backlog, 16 handlers")
{
    /// <summary>Longer than the leases that the killed process held.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(100);

    /// <summary>How much of the backlog the killed process had handled: all of it would show nothing.</summary>
    public const string Before = "handled before, %";

    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog && entry.Role is not Role.Rival;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new(), Patience);
        var count = ring.ToConsume;
        await bench.PublishAsync(count);
        var before = 0;
        using (var victim = Child.Start(ring.Connection, "victim", "--contender", ring.Entry.Id, "--queue", bench.Queues[0]))
        {
            for (; await victim.StandardOutput.ReadLineAsync() is { } line; before++)
            {
                bench.Ledger.Handled(int.Parse(line, CultureInfo.InvariantCulture), complete: true);
                if (before == count / 2)
                {
                    victim.Kill();
                }
            }
        }

        await bench.Contender.ConsumeAsync();
        await bench.AllHandledAsync();
        return bench.Account(new() { [Before] = 100.0 * before / count });
    }

    /// <summary>The process that is to be killed: consumes, and says the number of each message that comes to its handler.</summary>
    public static async Task RunVictimAsync(string contender, string queue, string connection, CancellationToken cancellationToken)
    {
        var job = new Job(connection, new Shape(), [queue]);
        var output = TextWriter.Synchronized(new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true });
        job.Ledger.Told = number => output.WriteLine(number.ToString(CultureInfo.InvariantCulture));
        await using var victim = Catalog.Find(contender).Create(job);
        await victim.ConsumeAsync();
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
    }
}
