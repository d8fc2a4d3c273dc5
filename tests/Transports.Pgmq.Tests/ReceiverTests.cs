using System.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Claiming, waiting, fencing and settling on the rows themselves.</summary>
public sealed class ReceiverTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task A_holder_whose_lease_is_over_settles_nothing()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"));
        await using var first = await transport.OpenAsync(queue, TimeSpan.FromMilliseconds(50));
        await using var second = await transport.OpenAsync(queue);
        var stale = await first.OneAsync();
        var held = await second.OneAsync();

        Assert.Equal((0, 1), (stale.Redeliveries, held.Redeliveries));
        var renewed = new SettleResult[1];
        await ((ILeaseRenewal)first).RenewAsync(new[] { stale }, renewed, Database.Deadline);
        Assert.Equal(SettleStatus.Lost, renewed[0].Status);
        foreach (var settlement in (Settlement[])[Settlement.Ack(stale), Settlement.Ack(stale)])
        {
            Assert.Equal(SettleStatus.Lost, Assert.Single(await first.SettleAsync(settlement)).Status);
        }

        await ((ILeaseRenewal)second).RenewAsync(new[] { held }, renewed, Database.Deadline);
        Assert.Equal(SettleStatus.Settled, renewed[0].Status);
        Assert.Equal(SettleStatus.Settled, Assert.Single(await second.SettleAsync(Settlement.Ack(held))).Status);
        Assert.Equal(SettleStatus.Lost, Assert.Single(await second.SettleAsync(Settlement.Ack(held))).Status);
    }

    [Theory]
    [InlineData(SettlementKind.Retry)]
    [InlineData(SettlementKind.DeadLetter)]
    [InlineData(SettlementKind.Release)]
    public async Task Nor_does_it_retry_dead_letter_or_release(SettlementKind kind)
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"));
        await using var first = await transport.OpenAsync(queue, TimeSpan.FromMilliseconds(50));
        await using var second = await transport.OpenAsync(queue);
        var stale = await first.OneAsync();
        var held = await second.OneAsync();

        var settlement = kind switch
        {
            SettlementKind.Retry => Settlement.Retry(stale, TimeSpan.Zero),
            SettlementKind.Release => Settlement.Release(stale),
            _ => Settlement.DeadLetter(stale, Info(queue)),
        };
        Assert.Equal(SettleStatus.Lost, Assert.Single(await first.SettleAsync(settlement)).Status);

        Assert.Equal(0L, await database.ScalarAsync<long>($"select count(*) from pgmq.q_{Table(queue)}_dlq"));
        Assert.Equal(SettleStatus.Settled, Assert.Single(await second.SettleAsync(Settlement.Ack(held))).Status);
    }

    [Fact]
    public async Task A_mixed_batch_does_each_thing_to_its_own_row()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1", "ack"), Database.Message("2", "retry"), Database.Message("3", "dead"), Database.Message("4", "back"));
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.ReceiveAsync(10, Database.Deadline);
        Assert.Equal(["ack", "retry", "dead", "back"], got.Select(delivery => delivery.Envelope.Id));

        var results = await receiver.SettleAsync(
            Settlement.Retry(got[1], TimeSpan.FromMilliseconds(300)), Settlement.DeadLetter(got[2], Info(queue)),
            Settlement.Ack(got[0]), Settlement.Release(got[3]));
        Assert.All(results, result => Assert.Equal(SettleStatus.Settled, result.Status));

        var back = await receiver.OneAsync();
        Assert.Equal(("back", 1, 0), (back.Envelope.Id, back.Envelope.Attempt, back.Redeliveries));
        var clock = Stopwatch.StartNew();
        var retry = await receiver.OneAsync();
        Assert.Equal(("retry", 2, 0), (retry.Envelope.Id, retry.Envelope.Attempt, retry.Redeliveries));
        Assert.InRange(clock.ElapsedMilliseconds, 0, 1000);
        await using var dead = await transport.OpenAsync(queue + ".dlq");
        var letter = await dead.OneAsync();
        Assert.Equal(("dead", "3"), (letter.Envelope.Id, letter.Text()));
        // What PostgreSQL cannot store in a text is replaced.
        Assert.Equal(Info(queue) with { Description = "five \uFFFD times", ExceptionMessage = "broken \uFFFD heart" }, letter.Envelope.DeadLetter);
        Assert.Equal(0, letter.Redeliveries);
    }

    [Fact]
    public async Task Without_its_dead_letter_queue_the_rest_of_the_batch_is_settled_and_the_message_stays()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"), Database.Message("2"));
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.ReceiveAsync(10, Database.Deadline);
        await database.SqlAsync($"alter table pgmq.q_{Table(queue)}_dlq rename to q_{Table(queue)}_away");

        var results = await receiver.SettleAsync(Settlement.DeadLetter(got[0], Info(queue)), Settlement.Ack(got[1]));

        Assert.Equal([SettleStatus.Failed, SettleStatus.Settled], results.Select(result => result.Status));
        Assert.Equal(TransportError.QueueNotFound, Assert.IsType<TransportException>(results[0].Error).Reason);
        Assert.Equal(1L, await database.ScalarAsync<long>($"select count(*) from pgmq.q_{Table(queue)}"));
        await database.SqlAsync($"alter table pgmq.q_{Table(queue)}_away rename to q_{Table(queue)}_dlq");
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.DeadLetter(got[0], Info(queue)))).Status);
    }

    [Fact]
    public async Task Hand_outs_are_counted_apart_from_retries_and_hand_backs()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"));
        await using var receiver = await transport.OpenAsync(queue, TimeSpan.FromMilliseconds(30));
        _ = await receiver.OneAsync();
        var twice = await receiver.OneAsync();
        Assert.Equal((1, 1), (twice.Envelope.Attempt, twice.Redeliveries));
        await using var patient = await transport.OpenAsync(queue);
        var thrice = await patient.OneAsync();
        Assert.Equal((1, 2), (thrice.Envelope.Attempt, thrice.Redeliveries));
        await patient.SettleAsync(Settlement.Release(thrice));
        var again = await patient.OneAsync();
        Assert.Equal((1, 2), (again.Envelope.Attempt, again.Redeliveries));
        await patient.SettleAsync(Settlement.Retry(again, TimeSpan.Zero));
        var next = await patient.OneAsync();
        Assert.Equal((2, 0), (next.Envelope.Attempt, next.Redeliveries));
    }

    [Fact]
    public async Task A_waiting_receiver_is_woken_long_before_it_would_poll()
    {
        Database.Require();
        await using var transport = database.Transport();
        await using var other = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var times = new List<double>();
        for (var i = 0; i < 5; i++)
        {
            var waiting = receiver.ReceiveAsync(10, Database.Deadline).AsTask();
            // Visible in the server: the announcement, then that the poll has become slow, and that it has just looked: it will not for 0.7 s.
            await UntilAsync($"select count(*) > 0 from pg_locks where locktype = 'advisory' and classid = 1886352243 and objid = hashtext('{Table(queue)}')::bit(32)::bigint::oid");
            await UntilAsync("select min(now() - state_change) > interval '300 ms' from pg_stat_activity where application_name = 'postrider receive' and datname = current_database()");
            await UntilAsync("select min(now() - state_change) < interval '100 ms' from pg_stat_activity where application_name = 'postrider receive' and datname = current_database()");
            var clock = Stopwatch.StartNew();
            await other.SendAsync(queue, Database.Message("1"));
            var got = await waiting;
            times.Add(clock.Elapsed.TotalMilliseconds);
            await receiver.SettleAsync(Settlement.Ack(got[0]));
        }

        TestContext.Current.SendDiagnosticMessage("woken after {0} ms", string.Join(", ", times.Select(time => time.ToString("F1", null))));
        times.Sort();
        Assert.InRange(times[2], 0, 100);
    }

    [Fact]
    public async Task What_a_foreign_client_sends_is_seen_within_the_longest_poll()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(10, Database.Deadline).AsTask();
        await UntilAsync("select min(now() - state_change) > interval '300 ms' from pg_stat_activity where application_name = 'postrider receive' and datname = current_database()");
        var clock = Stopwatch.StartNew();
        await database.SqlAsync($"select pgmq.send('{Table(queue)}', '1')");
        await waiting;
        Assert.InRange(clock.ElapsedMilliseconds, 0, 1500);
    }

    [Fact]
    public async Task A_delayed_message_comes_neither_early_nor_late()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(10, Database.Deadline).AsTask();
        var clock = Stopwatch.StartNew();
        await transport.PublishAsync(new OutgoingMessage(Destination.Queue(queue), Database.Message("1"), TimeSpan.FromMilliseconds(700)));
        var delivery = Assert.Single(await waiting);
        Assert.InRange(clock.ElapsedMilliseconds, 700, 1100);
        Assert.Equal(0, delivery.Redeliveries);
    }

    [Fact]
    public async Task Delayed_rows_do_not_slow_the_claim()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await database.SqlAsync($"insert into pgmq.q_{Table(queue)} (vt, message) select now() + interval '1 day', '1' from generate_series(1, 20000)");
        await database.SqlAsync($"analyze pgmq.q_{Table(queue)}");

        var claim = Sql.Claim(Table(queue)).Replace("$1", "10", StringComparison.Ordinal).Replace("$2", "1000000", StringComparison.Ordinal)
            .Replace("$3", "'-infinity'", StringComparison.Ordinal);
        var plan = await database.SqlAsync("explain (analyze, buffers, format text) " + claim);

        var text = string.Join('\n', plan.Select(row => (string)row[0]!));
        Assert.Contains($"Index Scan using q_{Table(queue)}_vt_idx", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Rows Removed by Filter", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plans_made_while_the_queue_was_empty_do_not_read_the_full_table()
    {
        Database.Require();
        var queue = Database.NewQueue();
        await using (var transport = database.Transport())
        {
            await transport.DeclareAsync(queue);
        }

        // Statistics are complete when a session has ended.
        var before = await ScansAsync();
        await using (var transport = database.Transport())
        {
            await using var receiver = await transport.OpenAsync(queue);
            await DrainAsync(transport, receiver, 20, 1);
            await DrainAsync(transport, receiver, 1, 3000);
        }

        Assert.Equal(before, await ScansAsync());

        async Task<long> ScansAsync()
        {
            await UntilAsync("select count(*) = 0 from pg_stat_activity where application_name like 'postrider %' and query like '%" + Table(queue) + "%' and datname = current_database()");
            return await database.ScalarAsync<long>($"select seq_scan from pg_stat_all_tables where relid = 'pgmq.q_{Table(queue)}'::regclass");
        }

        async Task DrainAsync(PgmqTransport transport, IReceiver receiver, int times, int messages)
        {
            for (var i = 0; i < times; i++)
            {
                await transport.SendAsync(queue, [.. Enumerable.Range(0, messages).Select(n => Database.Message($"{n}"))]);
                for (var got = 0; got < messages;)
                {
                    var claimed = await receiver.ReceiveAsync(100, Database.Deadline);
                    await receiver.SettleAsync([.. claimed.Select(Settlement.Ack)]);
                    got += claimed.Count;
                }
            }
        }
    }

    [Fact]
    public async Task Cancelling_a_wait_loses_nothing()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var got = 0;
        for (var i = 0; i < 60; i++)
        {
            using var cancel = new CancellationTokenSource();
            var waiting = receiver.ReceiveAsync(1, cancel.Token).AsTask();
            var sending = transport.SendAsync(queue, Database.Message("1"));
            await Task.Yield();
            if (i % 2 == 0)
            {
                await sending;
            }

            await cancel.CancelAsync();
            try
            {
                foreach (var delivery in await waiting)
                {
                    got++;
                    await receiver.SettleAsync(Settlement.Ack(delivery));
                }
            }
            catch (OperationCanceledException)
            {
            }

            await sending;
        }

        Assert.Equal(60 - got, await database.ScalarAsync<long>($"select count(*) from pgmq.q_{Table(queue)} where vt <= now()"));
    }

    [Fact]
    public async Task Stop_ends_the_wait_and_settling_still_works()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("1"));
        await using var receiver = await transport.OpenAsync(queue);
        var delivery = await receiver.OneAsync();
        var waiting = receiver.ReceiveAsync(10, Database.Deadline).AsTask();
        await receiver.StopAsync(Database.Deadline);
        await receiver.StopAsync(Database.Deadline);
        Assert.Empty(await waiting);
        Assert.Empty(await receiver.ReceiveAsync(10, Database.Deadline));
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(delivery))).Status);
        await receiver.DisposeAsync();
        await receiver.StopAsync(Database.Deadline);
    }

    private static string Table(string queue) => TableName.Of(queue);

    private static DeadLetterInfo Info(string queue) => new()
    {
        Reason = DeadLetterReason.Exhausted,
        Description = "five \0 times",
        ExceptionType = "System.Exception",
        ExceptionMessage = "broken \ud83d heart",
        StackTrace = "at X\n at Y",
        Attempts = 5,
        Redeliveries = 2,
        Queue = queue,
        Topic = "orders.placed",
        At = new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero),
        Host = "host-1",
    };

    private async Task UntilAsync(string condition)
    {
        var deadline = Database.Deadline;
        while (!await database.ScalarAsync<bool>($"select coalesce(({condition}), false)"))
        {
            deadline.ThrowIfCancellationRequested();
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }
}
