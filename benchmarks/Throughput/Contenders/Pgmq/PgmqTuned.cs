using System.Threading.Channels;
using NpgsqlTypes;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.Pgmq;

/// <summary>The same with what is waiting coalesced, publishes into <c>send_batch</c> and deletes into one. No timers here either.</summary>
public sealed class PgmqTuned : PgmqRaw
{
    private const int Largest = 100;
    private const int Flushers = 2;
    private readonly Channel<Confirmation>[] _publishes;
    private readonly Dictionary<string, Channel<long>> _deletes = [];
    private readonly List<Task> _loops = [];

    public PgmqTuned(Job job)
        : base(job)
    {
        _publishes = [.. Tables.Select(_ => Channel.CreateUnbounded<Confirmation>())];
        for (var i = 0; i < Tables.Count; i++)
        {
            var (queue, table) = (i, Tables[i]);
            _deletes[table] = Channel.CreateUnbounded<long>(new() { SingleReader = true });
            _loops.Add(BatchAsync(_deletes[table].Reader, ids => DeleteAsync(table, ids)));
            for (var n = 0; n < Flushers; n++)
            {
                _loops.Add(BatchAsync(_publishes[queue].Reader, batch => SendAsync(table, batch)));
            }
        }
    }

    public override ValueTask PublishAsync(Order order, int queue)
    {
        var confirmation = Confirmation.For(order, queue);
        var task = confirmation.Task;
        _publishes[queue].Writer.TryWrite(confirmation);
        return task;
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var publishes in _publishes)
        {
            publishes.Writer.Complete();
        }

        // What was handled is deleted while the source is still there.
        await StopConsumingAsync();
        foreach (var deletes in _deletes.Values)
        {
            deletes.Writer.Complete();
        }

        await Task.WhenAll(_loops);
        await base.DisposeAsync();
    }

    protected override ValueTask DoneAsync(string table, long id) => _deletes[table].Writer.WriteAsync(id);

    private static Task BatchAsync<T>(ChannelReader<T> waiting, Func<List<T>, Task> flushAsync) => Task.Run(async () =>
    {
        var batch = new List<T>(Largest);
        while (await waiting.WaitToReadAsync())
        {
            while (batch.Count < Largest && waiting.TryRead(out var item))
            {
                batch.Add(item);
            }

            if (batch.Count > 0)
            {
                await flushAsync(batch);
                batch.Clear();
            }
        }
    });

    private async Task SendAsync(string table, List<Confirmation> batch)
    {
        var (bodies, headers) = (new byte[batch.Count][], new byte[batch.Count][]);
        for (var i = 0; i < batch.Count; i++)
        {
            (bodies[i], headers[i]) = (HandWork.Serialize(batch[i].Order), Headers(batch[i].Order));
        }

        await using var command = Source.CreateCommand("select pgmq.send_batch($1, $2, $3)");
        command.Parameters.AddWithValue(table);
        command.Parameters.AddWithValue(NpgsqlDbType.Array | NpgsqlDbType.Jsonb, bodies);
        command.Parameters.AddWithValue(NpgsqlDbType.Array | NpgsqlDbType.Jsonb, headers);
        try
        {
            await command.ExecuteNonQueryAsync();
            batch.ForEach(static confirmation => confirmation.Confirm());
        }
        catch (Exception e)
        {
            batch.ForEach(confirmation => confirmation.Fail(e));
        }
    }

    private async Task DeleteAsync(string table, List<long> ids)
    {
        await using var command = Source.CreateCommand("select pgmq.delete($1, $2)");
        command.Parameters.AddWithValue(table);
        command.Parameters.AddWithValue(ids.ToArray());
        await command.ExecuteNonQueryAsync();
    }
}
