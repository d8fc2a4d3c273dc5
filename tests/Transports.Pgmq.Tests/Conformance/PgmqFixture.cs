using Npgsql;
using Postrider.Brokers;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Transports.Pgmq.Tests.Conformance.PgmqFixture))]

namespace Postrider.Transports.Pgmq.Tests.Conformance;

/// <summary>The conformance suite on PostgreSQL: the server of ./test.sh for most, servers of its own for those that kill.</summary>
public class PgmqFixture : TransportFixture
{
    private static readonly string? ConnectionString = Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");

    public override string? WhyNoBroker => string.IsNullOrEmpty(ConnectionString) ? "set POSTRIDER_TEST_PGMQ or run ./test.sh" : null;

    public override TimeSpan Lease => TimeSpan.FromSeconds(1);

    public override bool CanBreakDeadLetterQueue => true;

    public override bool CanKillBroker => PrivateBroker.IsAvailable;

    public override ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) =>
        new(Connect(ConnectionString!));

    public override async ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) =>
        await PrivateBroker.StartNewAsync("postgres", Connect, cancellationToken: cancellationToken);

    public override ValueTask BreakDeadLetterQueueAsync(string queue, CancellationToken cancellationToken) =>
        ExecuteAsync($"alter table pgmq.q_{queue}_dlq rename to q_{queue}_away", cancellationToken);

    public override ValueTask RestoreDeadLetterQueueAsync(string queue, CancellationToken cancellationToken) =>
        ExecuteAsync($"alter table pgmq.q_{queue}_away rename to q_{queue}_dlq", cancellationToken);

    internal static PgmqTransport Connect(string connectionString) => new(new() { ConnectionString = connectionString });

    private static async ValueTask ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString!);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
