using System.Collections.Concurrent;
using System.Data;
using Npgsql;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>What a handler writes, what it publishes, and that its message is done: all of it or nothing.</summary>
public sealed class TransactionalHandlingTests(Database database) : IClassFixture<Database>, IAsyncLifetime
{
    private static readonly RetryPolicy AtOnce = RetryPolicy.Immediate with { MaxAttempts = 2 };

    private readonly string _queue = Database.NewQueue();
    private readonly string _paid = Database.NewQueue();
    private readonly ConcurrentQueue<(int Attempt, int Redeliveries)> _runs = new();

    private string Effects => "effects_" + TableName.Of(_queue);

    public async ValueTask InitializeAsync()
    {
        Database.Require();
        await using var transport = database.Transport();
        await transport.DeclareAsync(_paid);
        await database.SqlAsync($"create table {Effects} (number int, deferred int)");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Everything_is_committed_together()
    {
        var (written, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            await WriteAsync(order, context, bus);
            written.SetResult();
            await goOn.Task;
            return Outcome.Ack;
        });

        await host.Bus.SendAsync(_queue, new Order(1));
        await written.Task.WaitAsync(Database.Deadline);
        Assert.Equal((0, 0, 1), await StateAsync());
        goOn.SetResult();

        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0)], _runs);
    }

    [Theory]
    [InlineData("throw")]
    [InlineData("retry")]
    [InlineData("dead-letter")]
    [InlineData("discard")]
    public async Task What_is_not_done_leaves_nothing_behind_and_is_settled_all_the_same(string how)
    {
        await using var host = await HostAsync(
            async (order, context, bus) =>
            {
                await WriteAsync(order, context, bus);
                return how switch
                {
                    "retry" => Outcome.Retry(TimeSpan.Zero),
                    "dead-letter" => Outcome.DeadLetter("not wanted"),
                    _ => throw new InvalidOperationException("no"),
                };
            },
            o => o with { Retry = AtOnce with { OnExhausted = how == "discard" ? ExhaustedMessage.Discard : ExhaustedMessage.DeadLetter } });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(0, 0, 0);
        Assert.Equal(how == "discard" ? 0 : 1, await CountAsync($"pgmq.q_{TableName.Of(_queue)}_dlq"));
        Assert.Equal(how == "dead-letter" ? [(1, 0)] : [(1, 0), (2, 0)], _runs);
    }

    [Fact]
    public async Task A_failed_attempt_is_followed_by_one_that_counts_once()
    {
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            await WriteAsync(order, context, bus);
            return context.Attempt == 1 ? throw new InvalidOperationException("the first fails") : Outcome.Ack;
        });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0), (2, 0)], _runs);
    }

    [Fact]
    public async Task With_its_lease_over_and_another_holding_the_message_nothing_is_committed()
    {
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            await WriteAsync(order, context, bus);
            if (context.Redeliveries == 0)
            {
                // As another's claim would, after a freeze of this process; and it comes again at once.
                await database.SqlAsync($"update pgmq.q_{TableName.Of(_queue)} set read_ct = read_ct + 1, vt = now()");
            }

            return Outcome.Ack;
        });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0), (1, 2)], _runs);
    }

    [Theory]
    [InlineData("insert into no_such_table values (1)")]
    [InlineData("rollback")]
    [InlineData("commit")]
    public async Task A_handler_that_hides_that_its_transaction_is_over_has_failed(string sql)
    {
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            try
            {
                await ExecuteAsync(context, sql);
            }
            catch (PostgresException)
            {
                // And says that all is well.
            }

            return Outcome.Ack;
        });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(0, 0, 0);
        Assert.Equal(1, await CountAsync($"pgmq.q_{TableName.Of(_queue)}_dlq"));
        Assert.Equal([(1, 0), (2, 0)], _runs);
    }

    [Fact]
    public async Task A_commit_that_the_server_refuses_is_a_failure_of_the_handler()
    {
        await database.SqlAsync($"alter table {Effects} add unique (deferred) deferrable initially deferred");
        await database.SqlAsync($"insert into {Effects} (deferred) values (1)");
        var reported = new ConcurrentQueue<Exception>();
        await using var host = await HostAsync(
            async (order, context, bus) =>
            {
                await WriteAsync(order, context, bus);
                await ExecuteAsync(context, $"insert into {Effects} (deferred) values (1)");
                return Outcome.Ack;
            },
            o => o with
            {
                OnFailed = (failed, _) =>
                {
                    reported.Enqueue(failed.Exception!);
                    return default;
                },
            });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(1, 0, 0);
        Assert.Equal([(1, 0), (2, 0)], _runs);
        await EventuallyAsync(() => Task.FromResult(!reported.IsEmpty));
        Assert.Equal(PostgresErrorCodes.UniqueViolation, Assert.IsType<PostgresException>(Assert.Single(reported)).SqlState);
    }

    [Fact]
    public async Task A_connection_that_breaks_during_the_commit_leaves_all_of_it_undone_or_done()
    {
        // A trigger that runs at the commit, and ends the session the first time.
        await database.SqlAsync($"create sequence breaks_{Effects}");
        await database.SqlAsync(
            $"""
            create function break_{Effects}() returns trigger language plpgsql as $$ begin
                if nextval('breaks_{Effects}') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if; return null;
            end $$
            """);
        await database.SqlAsync($"create constraint trigger breaks after insert on {Effects} deferrable initially deferred for each row execute function break_{Effects}()");
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            await WriteAsync(order, context, bus);
            return Outcome.Ack;
        });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0), (1, 1)], _runs);
    }

    [Fact]
    public async Task What_does_not_join_is_stored_whatever_becomes_of_the_transaction()
    {
        await using var host = await HostAsync(async (order, context, bus) =>
        {
            await bus.SendAsync(_paid, new Paid(1));
            await bus.SendAsync(_paid, new Paid(2), new() { JoinTransaction = false });
            return Outcome.DeadLetter("not wanted");
        });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(0, 1, 0);
        Assert.Equal(2, await database.ScalarAsync<int>($"select (message ->> 'number')::int from pgmq.q_{TableName.Of(_paid)}"));
    }

    [Theory]
    [InlineData(IsolationLevel.ReadCommitted, 2.5)]
    [InlineData(IsolationLevel.RepeatableRead, 0.8)]
    [InlineData(IsolationLevel.Serializable, 0.8)]
    public async Task A_handler_keeps_its_lease_and_has_its_isolation_level(IsolationLevel isolation, double leases)
    {
        var lease = TimeSpan.FromSeconds(2);
        var level = "";
        await using var host = await HostAsync(
            async (order, context, bus) =>
            {
                level = (string)(await ScalarAsync(context, "show transaction_isolation"))!;
                await WriteAsync(order, context, bus);
                await ExecuteAsync(context, FormattableString.Invariant($"select pg_sleep({leases * lease.TotalSeconds})"));
                return Outcome.Ack;
            },
            o => o with { Isolation = isolation, Lease = lease });

        await host.Bus.SendAsync(_queue, new Order(1));

        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0)], _runs);
        Assert.Equal(isolation.ToString(), level.Replace(" ", ""), ignoreCase: true);
    }

    [Fact]
    public async Task All_handlers_that_may_run_at_once_have_a_connection_each_and_one_is_enough_for_the_next()
    {
        const int many = 12;
        var (running, all) = (0, new TaskCompletionSource());
        await using var host = await HostAsync(
            async (order, context, bus) =>
            {
                await WriteAsync(order, context, bus);
                if (Interlocked.Increment(ref running) == many)
                {
                    all.SetResult();
                }

                await all.Task.WaitAsync(Database.Deadline);
                return Outcome.Ack;
            },
            o => o with { Concurrency = many },
            // Fewer than handlers: they settle by themselves.
            options: o => o with { ReceiveConnections = 2 });

        await host.Bus.SendBatchAsync(_queue, Enumerable.Range(0, many * 3).Select(static i => new Order(i)));

        await EventuallyAsync(many * 3, many * 3, 0);
        Assert.InRange(await database.ScalarAsync<long>("select count(*) from pg_stat_activity where datname = current_database() and application_name like '% handle'"), 1, many);
    }

    [Fact]
    public async Task A_session_is_as_the_server_sets_it_up_for_each_handler()
    {
        var seen = new ConcurrentQueue<string>();
        await using var host = await HostAsync(
            async (order, context, bus) =>
            {
                seen.Enqueue($"{await ScalarAsync(context, "show enable_seqscan")} {await ScalarAsync(context, "select current_setting('tests.mine', true)")}");
                await ExecuteAsync(context, "set tests.mine = 'left behind'");
                return Outcome.Ack;
            },
            o => o with { Concurrency = 1 });

        await host.Bus.SendAsync(_queue, new Order(1));
        await host.Bus.SendAsync(_queue, new Order(2));

        await EventuallyAsync(() => Task.FromResult(seen.Count == 2));
        Assert.All(seen, static one => Assert.Equal("on", one.Trim()));
    }

    [Fact]
    public async Task A_handler_that_the_drain_cancels_leaves_nothing_behind_and_burns_no_attempt()
    {
        var begun = new TaskCompletionSource();
        await using (var host = await HostAsync(
            async (order, context, bus) =>
            {
                await WriteAsync(order, context, bus);
                begun.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
                return Outcome.Ack;
            },
            drain: TimeSpan.FromMilliseconds(100)))
        {
            await host.Bus.SendAsync(_queue, new Order(1));
            await begun.Task.WaitAsync(Database.Deadline);
        }

        Assert.Equal((0, 0, 1), await StateAsync());
        await using var next = await HostAsync(async (order, context, bus) =>
        {
            await WriteAsync(order, context, bus);
            return Outcome.Ack;
        });
        await EventuallyAsync(1, 1, 0);
        Assert.Equal([(1, 0), (1, 0)], _runs);
    }

    [Fact]
    public async Task A_consumer_without_a_transaction_is_told_what_to_set()
    {
        var told = new TaskCompletionSource<Exception>();
        await using var host = await HostAsync(
            (_, context, _) =>
            {
                try
                {
                    context.NpgsqlConnection();
                }
                catch (Exception e)
                {
                    told.SetResult(e);
                }

                Assert.Null(context.Transaction);
                return Task.FromResult(Outcome.Ack);
            },
            o => o with { Transactional = false });

        await host.Bus.SendAsync(_queue, new Order(1));

        var error = Assert.IsType<MessagingConfigurationException>(await told.Task.WaitAsync(Database.Deadline));
        Assert.Contains("ConsumerOptions.Transactional", error.Message, StringComparison.Ordinal);
    }

    private async Task WriteAsync(Order order, ConsumeContext context, IMessageBus bus)
    {
        await ExecuteAsync(context, $"insert into {Effects} (number) values ({order.Number})");
        await bus.SendAsync(_paid, new Paid(order.Number));
    }

    private static async Task ExecuteAsync(ConsumeContext context, string sql)
    {
        await using var command = new NpgsqlCommand(sql, context.NpgsqlConnection());
        await command.ExecuteNonQueryAsync(context.CancellationToken);
    }

    private static async Task<object?> ScalarAsync(ConsumeContext context, string sql)
    {
        await using var command = new NpgsqlCommand(sql, context.NpgsqlConnection(), context.NpgsqlTransaction());
        return await command.ExecuteScalarAsync(context.CancellationToken);
    }

    private async Task<TransactionHost> HostAsync(
        Func<Order, ConsumeContext, IMessageBus, Task<Outcome>> consume, Func<ConsumerOptions, ConsumerOptions>? configure = null, TimeSpan? drain = null,
        Func<PgmqOptions, PgmqOptions>? options = null)
    {
        TransactionHost? host = null;
        var ready = new TaskCompletionSource();
        host = await TransactionHost.StartAsync(
            database,
            messaging => messaging.AddConsumer<Order>(
                _queue,
                async (order, context, _) =>
                {
                    _runs.Enqueue((context.Attempt, context.Redeliveries));
                    await ready.Task;
                    return await consume(order, context, host!.Bus);
                },
                o => (configure ?? (static same => same))(o with { Transactional = true, Retry = AtOnce, Lease = TimeSpan.FromSeconds(1) })),
            drain,
            options);
        ready.SetResult();
        return host;
    }

    /// <summary>What was written, what was published, and what is in the queue.</summary>
    private async Task<(long Effects, long Published, long Left)> StateAsync() =>
        (await CountAsync($"(select number from {Effects} where number is not null or deferred is not null) e"), await CountAsync($"pgmq.q_{TableName.Of(_paid)}"), await CountAsync($"pgmq.q_{TableName.Of(_queue)}"));

    private Task EventuallyAsync(long effects, long published, long left) => EventuallyAsync(async () => !_runs.IsEmpty && await StateAsync() == (effects, published, left));

    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        var deadline = Database.Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private async Task<long> CountAsync(string table) => await database.ScalarAsync<long>($"select count(*) from {table}");
}
