using Npgsql;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>
/// Publishes and consumes at once while another session holds a snapshot, as a long report or a forgotten transaction does: no row that was deleted
/// since can be vacuumed away.
/// </summary>
internal sealed class BesideSnapshot() : Scenario("snapshot", "Publish and consume at once beside a snapshot that is held since 60,000 messages, 16 handlers")
{
    private const double ChurnOf = 60_000;

    public override bool Fits(Entry entry) => entry.Broker == Catalog.Pgmq && entry.Role is Role.Tuned or Role.Ours;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new Shape());
        await bench.Contender.ConsumeAsync();
        await using var other = new NpgsqlConnection(ring.Connection);
        await other.OpenAsync();
        await using var snapshot = await other.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await using var look = new NpgsqlCommand("select count(*) from pgmq.meta", other, snapshot);
        await look.ExecuteScalarAsync();

        var count = ring.ToPublish;
        await bench.PublishAsync((int)(ChurnOf * Math.Min(1, ring.Size.Seconds)));
        await bench.AllHandledAsync();
        var meter = Meter.Start();
        await bench.PublishAsync(count);
        await bench.AllHandledAsync();
        return bench.Account(meter.Stop(count));
    }
}
