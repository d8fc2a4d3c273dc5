using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// Settles and renews the deliveries of one queue, fenced by <c>read_ct</c>. What is done and what goes back is one transaction and one round
/// trip; dead letters are another, so that a dead-letter queue that cannot be written holds up nothing else.
/// </summary>
internal sealed class PgmqSettler(Connections connections, string queue, string table, long lease, bool archive)
{
    private readonly string _ack = archive ? Sql.Archive(table) : Sql.Ack(table);
    private readonly string _giveBack = Sql.GiveBack(table);
    private readonly string _deadLetter = Sql.DeadLetter(table);
    private readonly string _renew = Sql.Renew(table);
    private readonly string _doing = $"settle messages of '{queue}'";
    private readonly string _burying = $"move messages of '{queue}' to its dead-letter queue";

    /// <summary>The statement that settles what is done.</summary>
    public string Done => _ack;

    /// <returns>Whether something went back into the queue.</returns>
    public async ValueTask<bool> SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        var (acks, back, dead) = (new List<int>(), default(List<int>), default(List<int>));
        for (var i = 0; i < batch.Length; i++)
        {
            var settlement = batch.Span[i];
            // "Lost" stands until the server says otherwise.
            results.Span[i] = SettleResult.Lost;
            if (((PgmqDelivery)settlement.Delivery).TryBegin())
            {
                (settlement.Kind switch
                {
                    SettlementKind.Ack => acks,
                    SettlementKind.DeadLetter => dead ??= [],
                    _ => back ??= [],
                }).Add(i);
            }
        }

        if (acks.Count + (back?.Count ?? 0) + (dead?.Count ?? 0) == 0)
        {
            return false;
        }

        NpgsqlConnection connection;
        try
        {
            connection = await connections.OpenAsync(connections.Receive, _doing, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            var error = PgmqErrors.Map(e, _doing, connections.Where);
            Fail(batch, results, acks, error);
            Fail(batch, results, back, error);
            Fail(batch, results, dead, error);
            return false;
        }

        await using (connection.ConfigureAwait(false))
        {
            if (acks.Count > 0 || back is not null)
            {
                await RunAsync(connection, batch, results, acks, back, buries: false).ConfigureAwait(false);
            }

            if (dead is not null)
            {
                await RunAsync(connection, batch, results, dead, null, buries: true).ConfigureAwait(false);
            }
        }

        return back is not null;
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        var (ids, reads) = (new long[deliveries.Length], new int[deliveries.Length]);
        for (var i = 0; i < ids.Length; i++)
        {
            var delivery = (PgmqDelivery)deliveries.Span[i];
            // No row has the id 0.
            (ids[i], reads[i], results.Span[i]) = delivery.IsFixed ? (0, 0, SettleResult.Settled) : (delivery.RowId, delivery.Reads, SettleResult.Lost);
        }

        try
        {
            var connection = await connections.OpenAsync(connections.Receive, _doing, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                var command = new NpgsqlCommand(_renew, connection);
                await using (command.ConfigureAwait(false))
                {
                    command.Parameters.Add(Longs(ids));
                    command.Parameters.Add(Ints(reads));
                    command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = lease, NpgsqlDbType = NpgsqlDbType.Bigint });
                    var reader = await command.ExecuteReaderAsync(CancellationToken.None).ConfigureAwait(false);
                    await using (reader.ConfigureAwait(false))
                    {
                        while (await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false))
                        {
                            results.Span[(int)reader.GetInt64(0) - 1] = SettleResult.Settled;
                        }
                    }
                }
            }
        }
        catch (Exception e)
        {
            results.Span.Fill(SettleResult.Failed(connections.Failed(e, _doing)));
        }
    }

    private async ValueTask RunAsync(
        NpgsqlConnection connection, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, List<int> first, List<int>? second, bool buries)
    {
        try
        {
            var commands = new NpgsqlBatch(connection);
            await using (commands.ConfigureAwait(false))
            {
                if (first.Count > 0)
                {
                    commands.BatchCommands.Add(buries ? DeadLetter(batch.Span, first) : Ack(batch.Span, first));
                }

                if (second is not null)
                {
                    commands.BatchCommands.Add(GiveBack(batch.Span, second));
                }

                var current = first.Count > 0 ? first : second!;
                var settled = new List<int>(first.Count + (second?.Count ?? 0));
                var reader = await commands.ExecuteReaderAsync(CancellationToken.None).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    do
                    {
                        while (await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false))
                        {
                            settled.Add(current![(int)reader.GetInt64(0) - 1]);
                        }

                        current = second;
                    }
                    while (await reader.NextResultAsync(CancellationToken.None).ConfigureAwait(false));
                }

                // Only now is it committed.
                foreach (var i in settled)
                {
                    results.Span[i] = SettleResult.Settled;
                }
            }
        }
        catch (Exception e)
        {
            var error = connections.Failed(e, buries ? _burying : _doing);
            Fail(batch, results, first, error);
            Fail(batch, results, second, error);
        }
    }

    private NpgsqlBatchCommand Ack(ReadOnlySpan<Settlement> batch, List<int> places) => Command(_ack, batch, places);

    private NpgsqlBatchCommand GiveBack(ReadOnlySpan<Settlement> batch, List<int> places)
    {
        var (delays, attempts, counted, due) = (new long[places.Count], new int[places.Count], new int[places.Count], new DateTime?[places.Count]);
        for (var i = 0; i < places.Count; i++)
        {
            var settlement = batch[places[i]];
            var delivery = (PgmqDelivery)settlement.Delivery;
            // Going back counts as a read too (see Sql.GiveBack). Of a retry all reads are accounted for; of a hand-back this one and its claim.
            (delays[i], attempts[i], counted[i], due[i]) = settlement.Kind == SettlementKind.Retry
                ? (PgmqPublisher.Microseconds(settlement.Delay), delivery.Envelope.Attempt + 1, delivery.Reads + 1, default(DateTime?))
                : (0L, delivery.Envelope.Attempt, delivery.Counted + 2, delivery.Due);
        }

        var command = Command(_giveBack, batch, places);
        command.Parameters.Add(Longs(delays));
        command.Parameters.Add(Ints(attempts));
        command.Parameters.Add(Ints(counted));
        command.Parameters.Add(new NpgsqlParameter<DateTime?[]> { TypedValue = due, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz });
        return command;
    }

    private NpgsqlBatchCommand DeadLetter(ReadOnlySpan<Settlement> batch, List<int> places)
    {
        var added = new byte[places.Count][];
        for (var i = 0; i < added.Length; i++)
        {
            var settlement = batch[places[i]];
            added[i] = EnvelopeMapper.WriteDeadLetter(settlement.Delivery.Envelope, settlement.Info!);
        }

        var command = Command(_deadLetter, batch, places);
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = added, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb });
        return command;
    }

    private static NpgsqlBatchCommand Command(string sql, ReadOnlySpan<Settlement> batch, List<int> places)
    {
        var (ids, reads) = (new long[places.Count], new int[places.Count]);
        for (var i = 0; i < ids.Length; i++)
        {
            var delivery = (PgmqDelivery)batch[places[i]].Delivery;
            (ids[i], reads[i]) = (delivery.RowId, delivery.Reads);
        }

        var command = new NpgsqlBatchCommand(sql);
        command.Parameters.Add(Longs(ids));
        command.Parameters.Add(Ints(reads));
        return command;
    }

    private static NpgsqlParameter<long[]> Longs(long[] values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint };

    private static NpgsqlParameter<int[]> Ints(int[] values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer };

    private static void Fail(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, List<int>? places, Exception error)
    {
        if (places is null)
        {
            return;
        }

        foreach (var i in places)
        {
            ((PgmqDelivery)batch.Span[i].Delivery).Undo();
            results.Span[i] = SettleResult.Failed(error);
        }
    }
}
