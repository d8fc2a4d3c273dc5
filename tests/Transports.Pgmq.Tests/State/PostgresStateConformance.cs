using Postrider.Brokers;
using Postrider.Core.State;
using Postrider.Persistence.Postgres;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Transports.Pgmq.Tests.State.PostgresStateFixture))]

namespace Postrider.Transports.Pgmq.Tests.State;

public sealed class PostgresState(PostgresStateFixture fixture) : StateStoreScenarios(fixture);

public sealed class PostgresStateOutages(PostgresStateFixture fixture) : StateOutageScenarios(fixture);

/// <summary>The conformance suite of state stores on PostgreSQL: the server of ./test.sh for most, servers of its own for those that kill.</summary>
public class PostgresStateFixture : StateStoreFixture
{
    private static readonly string? ConnectionString = Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");

    public override string? WhyNoServer => string.IsNullOrEmpty(ConnectionString) ? "set POSTRIDER_TEST_PGMQ or run ./test.sh" : null;

    public override bool CanKillServer => PrivateBroker.IsAvailable;

    /// <summary>It takes no clock: whatever a process believes cannot matter.</summary>
    public override ValueTask<IStateStore> ConnectAsync(TimeProvider? clock, CancellationToken cancellationToken) => new(Connect(ConnectionString!));

    public override async ValueTask<IStateServerUnderTest> StartPrivateServerAsync(CancellationToken cancellationToken) =>
        new Server(await PrivateBroker.StartNewAsync("postgres", static _ => throw new NotSupportedException(), Forgetful, cancellationToken));

    private static PostgresStateStore Connect(string connectionString) => new(new() { ConnectionString = connectionString });

    /// <summary>A kill loses what a commit did not wait for.</summary>
    private static void Forgetful(DirectoryInfo folder) =>
        File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), "synchronous_commit = off\nwal_writer_delay = 10s\n");

    private sealed class Server(PrivateBroker broker) : IStateServerUnderTest
    {
        public ValueTask<IStateStore> ConnectAsync(CancellationToken cancellationToken) => new(Connect(broker.ConnectionString));

        public ValueTask KillAsync(CancellationToken cancellationToken) => broker.KillAsync(cancellationToken);

        public ValueTask StartAsync(CancellationToken cancellationToken) => broker.StartAsync(cancellationToken);

        public ValueTask DisposeAsync() => broker.DisposeAsync();
    }
}
