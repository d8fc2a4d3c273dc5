using System.Text;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>A database of its own on the real server, for one test class; dropped at the end. Skips where there is no server.</summary>
public sealed class Database : IAsyncLifetime
{
    private readonly string? _server = Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");
    private readonly string _name = "postrider_test_" + Guid.NewGuid().ToString("N")[..12];

    /// <summary>For receipts that must come: long enough for a busy machine.</summary>
    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;

    public string ConnectionString => new NpgsqlConnectionStringBuilder(Server) { Database = _name }.ConnectionString;

    public PgmqOptions Options => new() { ConnectionString = ConnectionString };

    private string Server => ConnectionStrings.Parse(_server!, "POSTRIDER_TEST_PGMQ").ConnectionString;

    public async ValueTask InitializeAsync()
    {
        if (_server is not null)
        {
            await AdministerAsync($"create database {_name}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await AdministerAsync($"drop database if exists {_name} with (force)");
        }
    }

    /// <summary>Call first in each test.</summary>
    public static void Require() =>
        Assert.SkipWhen(Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ") is null, "no broker: set POSTRIDER_TEST_PGMQ or run ./test.sh");

    public PgmqTransport Transport() => new(Options);

    /// <summary>As another client of PGMQ would: plain SQL on a connection of its own.</summary>
    public Task<List<object?[]>> SqlAsync(string sql) => SqlAsync(ConnectionString, sql);

    public async Task<T> ScalarAsync<T>(string sql) => (T)(await SqlAsync(sql))[0][0]!;

    public Task AdministerAsync(string sql) =>
        SqlAsync(Server, sql);

    public static string NewQueue(string prefix = "q") => prefix + "-" + Guid.NewGuid().ToString("N")[..10];

    public static Envelope Message(string body, string? id = null) => new()
    {
        Id = id ?? Guid.NewGuid().ToString("N"),
        ContentType = "application/json",
        Body = Encoding.UTF8.GetBytes(body),
    };

    private static async Task<List<object?[]>> SqlAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Deadline);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Deadline);
        var rows = new List<object?[]>();
        while (await reader.ReadAsync(Deadline))
        {
            var row = new object[reader.FieldCount];
            reader.GetValues(row);
            rows.Add([.. row.Select(value => value is DBNull ? null : value)]);
        }

        return rows;
    }
}

internal static class TransportExtensions
{
    public static ValueTask DeclareAsync(this ITransport transport, params string[] queues) =>
        transport.DeclareAsync(new Topology(queues, []), Database.Deadline);

    public static async Task<PublishResult[]> PublishAsync(this ITransport transport, params OutgoingMessage[] batch)
    {
        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Database.Deadline);
        return results;
    }

    public static Task<PublishResult[]> SendAsync(this ITransport transport, string queue, params Envelope[] envelopes) =>
        transport.PublishAsync([.. envelopes.Select(envelope => new OutgoingMessage(Destination.Queue(queue), envelope))]);

    public static ValueTask<IReceiver> OpenAsync(this ITransport transport, string queue, TimeSpan? lease = null) =>
        transport.OpenReceiverAsync(new ReceiverOptions { Queue = queue, Lease = lease ?? TimeSpan.FromSeconds(30) }, Database.Deadline);

    public static async Task<SettleResult[]> SettleAsync(this IReceiver receiver, params Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await receiver.SettleAsync(batch, results, Database.Deadline);
        return results;
    }

    public static async Task<Delivery> OneAsync(this IReceiver receiver) => Assert.Single(await receiver.ReceiveAsync(1, Database.Deadline));

    public static string Text(this Delivery delivery) => Encoding.UTF8.GetString(delivery.Envelope.Body.Span);
}
