using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;
using Postrider.Throughput.Work;
using Postrider.Transports.Pgmq;

namespace Postrider.Throughput.Contenders.Pgmq;

/// <summary>PGMQ's functions by hand: a send and a commit per message on 16 connections, reads of 100, a delete per message.</summary>
public class PgmqRaw : Contender
{
    private const int ReadSize = 100;
    private const int LeaseSeconds = 60;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private readonly HandWork _work;
    private readonly List<Task> _consuming = [];
    private readonly CancellationTokenSource _stop = new();

    public PgmqRaw(Job job)
        : base(job)
    {
        _work = new(Job);
        Source = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(Job.ConnectionString)
        {
            MaxPoolSize = 16 + (2 * Job.Queues.Count),
            MaxAutoPrepare = 50,
            AutoPrepareMinUsages = 2,
        }.ConnectionString).Build();
        Tables = [.. Job.Queues.Select(queue => queue.Replace('-', '_'))];
    }

    protected NpgsqlDataSource Source { get; }

    protected IReadOnlyList<string> Tables { get; }

    /// <summary>The transport makes the schema and the queue, so that all work on the same tables and indexes.</summary>
    public override async ValueTask PrepareAsync()
    {
        await using var transport = new PgmqTransport(new() { ConnectionString = Job.ConnectionString });
        await transport.DeclareAsync(new Topology(Job.Queues, []), CancellationToken.None);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue)
    {
        await using var command = Source.CreateCommand("select pgmq.send($1, $2, $3)");
        command.Parameters.AddWithValue(Tables[queue]);
        command.Parameters.AddWithValue(NpgsqlDbType.Jsonb, HandWork.Serialize(order));
        command.Parameters.AddWithValue(NpgsqlDbType.Jsonb, Headers(order));
        await command.ExecuteNonQueryAsync();
    }

    public override async Task PublishDelayedAsync(int count)
    {
        const int batch = 1000;
        for (var i = 0; i < count; i += batch)
        {
            await using var command = Source.CreateCommand("select pgmq.send_batch($1, $2, $3, 36000)");
            command.Parameters.AddWithValue(Tables[0]);
            command.Parameters.AddWithValue(
                NpgsqlDbType.Array | NpgsqlDbType.Jsonb, Enumerable.Range(i, batch).Select(n => HandWork.Serialize(Order.Create(n, Job.Note))).ToArray());
            command.Parameters.AddWithValue(
                NpgsqlDbType.Array | NpgsqlDbType.Jsonb, Enumerable.Range(i, batch).Select(n => Headers(Order.Create(n, Job.Note))).ToArray());
            await command.ExecuteNonQueryAsync();
        }
    }

    public override ValueTask ConsumeAsync()
    {
        foreach (var table in Tables)
        {
            var work = Channel.CreateBounded<(long Id, byte[] Body, byte[] Headers)>(new BoundedChannelOptions(ReadSize) { SingleWriter = true });
            _consuming.Add(Task.Run(() => ReadAsync(table, work.Writer)));
            for (var i = 0; i < Job.Shape.Concurrency; i++)
            {
                _consuming.Add(Task.Run(() => WorkAsync(table, work.Reader)));
            }
        }

        return ValueTask.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await StopConsumingAsync();
        await Source.DisposeAsync();
        await _work.DisposeAsync();
        _stop.Dispose();
    }

    /// <summary>Takes no more, and returns when what was taken has been handled.</summary>
    protected async Task StopConsumingAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_consuming);
    }

    protected static byte[] Headers(Order order) => JsonSerializer.SerializeToUtf8Bytes(
        new HeaderSet(Job.NewId(), Order.TypeName, Job.Correlation(order), Job.TraceParent, TimeProvider.System.GetUtcNow()), Order.Json);

    /// <summary>A message was handled.</summary>
    protected virtual async ValueTask DoneAsync(string table, long id)
    {
        await using var command = Source.CreateCommand("select pgmq.delete($1, $2)");
        command.Parameters.AddWithValue(table);
        command.Parameters.AddWithValue(id);
        await command.ExecuteNonQueryAsync();
    }

    private async Task ReadAsync(string table, ChannelWriter<(long Id, byte[] Body, byte[] Headers)> work)
    {
        while (!_stop.IsCancellationRequested)
        {
            var found = false;
            await using (var command = Source.CreateCommand("select msg_id, message::text, headers::text from pgmq.read($1, $2, $3)"))
            {
                command.Parameters.AddWithValue(table);
                command.Parameters.AddWithValue(LeaseSeconds);
                command.Parameters.AddWithValue(ReadSize);
                await using var reader = await command.ExecuteReaderAsync();
                while (await reader.ReadAsync())
                {
                    found = true;
                    await work.WriteAsync((reader.GetInt64(0), reader.GetFieldValue<byte[]>(1), reader.GetFieldValue<byte[]>(2)));
                }
            }

            if (!found)
            {
                await Task.Delay(Poll, TimeProvider.System, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        work.Complete();
    }

    private async Task WorkAsync(string table, ChannelReader<(long Id, byte[] Body, byte[] Headers)> work)
    {
        await foreach (var (id, body, headers) in work.ReadAllAsync())
        {
            var read = JsonSerializer.Deserialize<HeaderSet>(headers, Order.Json)!;
            await _work.HandleAsync(body, new(read.Id, read.Type, read.CorrelationId, read.Traceparent, read.Sent));
            await DoneAsync(table, id);
        }
    }

    private sealed record HeaderSet(string Id, string Type, string CorrelationId, string Traceparent, DateTimeOffset Sent);
}
