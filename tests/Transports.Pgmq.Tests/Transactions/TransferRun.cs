using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>
/// Transfers under fire: numbers go through two transactional consumers of processes that are killed, on sessions that are ended and perhaps a server that is
/// killed. In the end each has had its effect once: the tables and their sum show it.
/// </summary>
internal sealed class TransferRun(string connectionString, int seed)
{
    private const int Workers = 2;

    /// <summary>A process handles fewer before it dies, so that none waits for a message that never comes.</summary>
    private const int MessagesForEach = 12;
    private const string Queue = "transfers";

    private readonly ConcurrentDictionary<string, int> _counts = new();
    private readonly Random _seeds = new(seed);
    private int _messages;

    /// <summary>What was done to whom, and how often.</summary>
    public override string ToString() =>
        $"seed {seed}, {_messages} messages; " + string.Join(", ", _counts.OrderBy(static count => count.Key).Select(static count => $"{count.Value} x {count.Key}"));

    public async Task PrepareAsync(int processes)
    {
        _messages = (processes + Workers) * MessagesForEach;
        await using var transport = new PgmqTransport(new() { ConnectionString = connectionString });
        await transport.DeclareAsync(new([Queue, $"{Queue}-second"], [new("tests.first-done", $"{Queue}-second")]), Database.Deadline);
        await ExecuteAsync(
            """
            create table firsts (number int not null);
            create table seconds (number int not null);
            create table totals (bucket int primary key, total bigint not null);
            insert into totals select bucket, 0 from generate_series(0, 7) bucket;
            create sequence ended_at_settlement;
            create sequence ended_at_commit;
            -- A settlement and a commit now and then take longer, and end their session now and then. A sequence counts what is rolled back, too.
            create function settling() returns trigger language plpgsql as $fn$ begin
                perform pg_sleep(case when random() < 0.2 then 0.004 else 0 end);
                if random() < 0.04 then perform nextval('ended_at_settlement'), pg_terminate_backend(pg_backend_pid()); end if;
                return null;
            end $fn$;
            create function committing() returns trigger language plpgsql as $fn$ begin
                perform pg_sleep(case when random() < 0.2 then 0.004 else 0 end);
                if random() < 0.04 then perform nextval('ended_at_commit'), pg_terminate_backend(pg_backend_pid()); end if;
                return null;
            end $fn$;
            create trigger settling after delete on pgmq.q_transfers for each row execute function settling();
            create constraint trigger committing after insert on firsts deferrable initially deferred for each row execute function committing();
            """);
        var batch = new OutgoingMessage[_messages];
        for (var i = 0; i < batch.Length; i++)
        {
            batch[i] = new(Destination.Queue(Queue), Database.Message($$"""{"number": {{i}}}""") with { Type = "tests.numbered" });
        }

        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Database.Deadline);
        Assert.All(results, static result => Assert.Equal(PublishStatus.Stored, result.Status));
    }

    /// <summary>Processes one after another, a few at once, until so many have killed themselves.</summary>
    public async Task KillProcessesAsync(int kills)
    {
        var left = kills;
        await WithWorkersAsync(() => Interlocked.Decrement(ref left) > 0, CancellationToken.None);
    }

    /// <summary>The same, while the server is killed and started again until that has happened so often.</summary>
    public async Task KillServerAsync(PrivateBroker server, int kills)
    {
        using var stop = new CancellationTokenSource();
        var working = WithWorkersAsync(static () => true, stop.Token);
        for (var i = 0; i < kills; i++)
        {
            // Not before something was committed again, and then in the middle of it.
            await UntilAsync($"select count(*) > {await CountAsync("firsts")} from firsts", CancellationToken.None);
            await Task.Delay(TimeSpan.FromMilliseconds(NextSeed() % 100), TimeProvider.System);
            await server.KillAsync(CancellationToken.None);
            Count("killed server");
            await server.StartAsync();
        }

        await stop.CancelAsync();
        await working;
    }

    /// <summary>Lets a process finish that is not killed, and looks at what all of them have done.</summary>
    public async Task FinishAsync(CancellationToken deadline)
    {
        await ExecuteAsync("drop trigger settling on pgmq.q_transfers; drop trigger committing on firsts");
        using var worker = Start(seed: 0);
        try
        {
            await UntilAsync("select (select count(*) from pgmq.q_transfers) + (select count(*) from pgmq.q_transfers_second) = 0", deadline);
        }
        finally
        {
            worker.Kill();
            await worker.WaitForExitAsync(CancellationToken.None);
        }

        // After a crash of the server sequences are up to 32 ahead.
        var ended = await RowAsync("select s.last_value * s.is_called::int, c.last_value * c.is_called::int from ended_at_settlement s, ended_at_commit c");
        (_counts["ended at-settlement at most"], _counts["ended at-commit at most"]) = ((int)(long)ended[0]!, (int)(long)ended[1]!);
        var expected = (long)_messages * (_messages - 1) / 2;
        Assert.Equal(
            $"firsts {_messages}, different {_messages}; seconds {_messages}, different {_messages}; sum {expected}; dead letters 0",
            (string)(await RowAsync(
                """
                select format('firsts %s, different %s; seconds %s, different %s; sum %s; dead letters %s',
                    (select count(*) from firsts), (select count(distinct number) from firsts),
                    (select count(*) from seconds), (select count(distinct number) from seconds),
                    (select sum(total) from totals),
                    (select count(*) from pgmq.q_transfers_dlq) + (select count(*) from pgmq.q_transfers_second_dlq))
                """))[0]!);
    }

    private Task WithWorkersAsync(Func<bool> more, CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => Task.Run(async () =>
    {
        do
        {
            using var worker = Start(NextSeed());
            await using var killing = stop.Register(worker.Kill);
            await worker.WaitForExitAsync(CancellationToken.None);
            Assert.Equal(137, worker.ExitCode); // SIGKILL
        }
        while (!stop.IsCancellationRequested && more());
    })));

    private void Count(string what) => _counts.AddOrUpdate(what, 1, static (_, before) => before + 1);

    private int NextSeed()
    {
        lock (_seeds)
        {
            return _seeds.Next(1, int.MaxValue);
        }
    }

    private Process Start(int seed)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Postrider.CrashingWorker.dll");
        var worker = Process.Start(new ProcessStartInfo("dotnet", [program, "transfers", Queue, $"{seed}", connectionString])
        {
            RedirectStandardOutput = true,
        })!;
        worker.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } said)
            {
                Count(said);
            }
        };
        worker.BeginOutputReadLine();
        return worker;
    }

    private async Task UntilAsync(string condition, CancellationToken deadline)
    {
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while ((await RowAsync(condition))[0] is not true)
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private async Task<long> CountAsync(string table) => (long)(await RowAsync($"select count(*) from {table}"))[0]!;

    private async Task<object?[]> RowAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Database.Deadline);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Database.Deadline);
        if (!await reader.ReadAsync(Database.Deadline))
        {
            return [];
        }

        var row = new object[reader.FieldCount];
        reader.GetValues(row);
        return row;
    }

    private async Task ExecuteAsync(string sql) => await RowAsync(sql);
}
