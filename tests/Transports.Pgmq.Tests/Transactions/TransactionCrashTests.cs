using Postrider.Brokers;
using Postrider.Transports.Pgmq.Tests.Conformance;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>
/// Exactly once in effect, whatever is killed when. <c>POSTRIDER_KILLS</c> is how many (here few, since each takes a second or more),
/// <c>POSTRIDER_SEED</c> repeats a run as far as the machine lets it.
/// </summary>
[Collection("Scenarios that kill a broker")]
public sealed class TransactionCrashTests(Database database, ITestOutputHelper output) : IClassFixture<Database>
{
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("POSTRIDER_KILLS") ?? "20");
    private static readonly int Seed = int.Parse(Environment.GetEnvironmentVariable("POSTRIDER_SEED") ?? $"{Random.Shared.Next(1, int.MaxValue)}");

    [Fact]
    public async Task Processes_that_are_killed_lose_nothing_and_double_nothing()
    {
        Database.Require();
        var run = new TransferRun(database.ConnectionString, Seed);
        try
        {
            await run.PrepareAsync(Kills);
            await run.KillProcessesAsync(Kills);
            await run.FinishAsync(Patience);
        }
        finally
        {
            output.WriteLine($"{run}");
        }
    }

    [Fact]
    public async Task A_server_that_is_killed_loses_nothing_and_doubles_nothing()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        var kills = Math.Max(2, Kills / 5);
        await using var server = await PrivateBroker.StartNewAsync("postgres", PgmqFixture.Connect);
        var run = new TransferRun(server.ConnectionString, Seed);
        try
        {
            await run.PrepareAsync(kills * 5);
            await run.KillServerAsync(server, kills);
            await run.FinishAsync(Patience);
        }
        finally
        {
            output.WriteLine($"{run}");
        }
    }

    private static CancellationToken Patience => new CancellationTokenSource(TimeSpan.FromSeconds(60 + (Kills * 2))).Token;
}
