using Npgsql;
using Postrider.Brokers;
using Postrider.Core.Transport;
using Postrider.Transports.Pgmq.Tests.Conformance;

namespace Postrider.Transports.Pgmq.Tests;

public sealed class PgmqHostTests(ITestOutputHelper output) : HostTests(output)
{
    protected override string Kind => "postgres";

    protected override string? Server => Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");

    protected override MessagingBuilder Use(MessagingBuilder builder, string connectionString) => builder.UsePgmq(connectionString);

    protected override async Task DeleteQueueAsync(string queue)
    {
        await using var source = NpgsqlDataSource.Create(Server!);
        await using var command = source.CreateCommand("select pgmq.drop_queue($1)");
        command.Parameters.Add(new() { Value = TableName.Of(queue) });
        await command.ExecuteNonQueryAsync();
    }

    protected override ITransport Connect(string connectionString) => PgmqFixture.Connect(connectionString);

    protected override void Configure(DirectoryInfo folder) =>
        File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), "max_connections = 600\n");
}
