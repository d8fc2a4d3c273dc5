using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>Claims from one queue's table, and waits cleverly when it is empty. How deliveries are settled is in <see cref="PgmqSettler"/>.</summary>
internal sealed partial class PgmqReceiver : IReceiver, ILeaseRenewal, ITransactionalReceiver
{
    private static readonly TimeSpan ShortestPoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(1);

    /// <summary>What a look takes in vain when something is wrong.</summary>
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan BetweenWarnings = TimeSpan.FromMinutes(10);

    /// <summary>So many full claims in a row are a backlog.</summary>
    private const int FullClaimsOfBacklog = 4;

    private readonly Connections _connections;
    private readonly PgmqListener _listener;
    private readonly PgmqSettler _settler;
    private readonly EnvelopeReader _reader;
    private readonly WakeUp _wakeUp;
    private readonly NpgsqlDataSource? _handling;
    private readonly SemaphoreSlim _renewal = new(1, 1);
    private readonly ClaimTurns? _turns;
    private readonly ClaimFloor _floor = new(TimeProvider.System);
    private readonly Ration _dueRation = new(TimeProvider.System);
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly string _queue;
    private readonly string _claim;
    private readonly string _nextDue;
    private readonly string _doing;
    private readonly long _lease;
    private readonly ILogger _log;
    private volatile bool _stopped;
    private int _disposed;
    private int _fullClaims;
    private long _warnedAt;
    private TimeSpan _poll = ShortestPoll;

    public PgmqReceiver(Connections connections, PgmqListener listener, ReceiverOptions options, string table, bool hasPriorities, bool archive, ILogger log)
    {
        (_connections, _listener, _queue, _log) = (connections, listener, options.Queue, log);
        _lease = options.Lease.Ticks / 10;
        _turns = hasPriorities ? new(options.LowerPriorityOneIn) : null;
        _claim = hasPriorities ? Sql.ClaimByLevel(table) : Sql.Claim(table);
        _nextDue = Sql.NextDue(table);
        _doing = $"receive from '{options.Queue}'";
        _reader = new(table);
        _settler = new(connections, options.Queue, table, _lease, archive);
        _wakeUp = listener.Register(table);
        _handling = options.Transactions > 0 ? connections.OpenHandling(options.Transactions) : null;
    }

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var idle = false;
            while (!_stopped)
            {
                var (claimed, due) = await ClaimAsync(max, idle, cancellationToken).ConfigureAwait(false);
                if (claimed.Count > 0)
                {
                    if (_stopped)
                    {
                        await ReleaseAsync(claimed).ConfigureAwait(false);
                        break;
                    }

                    await NoteAsync(claimed.Count == max).ConfigureAwait(false);
                    return claimed;
                }

                idle = true;
                _fullClaims = 0;
                if (!_listener.IsAnnounced(_wakeUp) && await _listener.AnnounceAsync(_wakeUp, cancellationToken).ConfigureAwait(false))
                {
                    // What was stored before publishers knew of us is found by looking once more.
                    continue;
                }

                var wait = _poll * (0.9 + (Random.Shared.NextDouble() * 0.2));
                await _wakeUp.WaitAsync(due < wait ? due : wait, cancellationToken).ConfigureAwait(false);
                _poll = _poll * 2 > LongestPoll ? LongestPoll : _poll * 2;
            }

            return [];
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        var goesBackInPlace = false;
        foreach (ref readonly var settlement in batch.Span)
        {
            _ = Own(settlement.Delivery);
            goesBackInPlace |= settlement.Kind == SettlementKind.Release;
        }

        if (await _settler.SettleAsync(batch, results, cancellationToken).ConfigureAwait(false))
        {
            if (goesBackInPlace)
            {
                _floor.Forget();
            }

            // Something went back into the queue; if it is due before the next poll, it is for us to know.
            _wakeUp.Set();
        }
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, deliveries.Length);
        foreach (var delivery in deliveries.Span)
        {
            _ = Own(delivery);
        }

        await _renewal.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _settler.RenewAsync(deliveries, results, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _renewal.Release();
        }
    }

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        _stopped = true;
        if (Volatile.Read(ref _disposed) != 0)
        {
            return;
        }

        _wakeUp.Set();
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _listener.EndWaitAsync(_wakeUp).ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _wakeUp.Set();
        await _one.WaitAsync().ConfigureAwait(false);
        try
        {
            await _listener.UnregisterAsync(_wakeUp).ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }

        if (_handling is not null)
        {
            await _connections.CloseHandlingAsync(_handling).ConfigureAwait(false);
        }
    }

    private PgmqDelivery Own(Delivery delivery) => delivery is PgmqDelivery own && ReferenceEquals(own.Owner, this)
        ? own
        : throw new ArgumentException($"The delivery does not come from this receiver of '{_queue}'.");

    private async ValueTask NoteAsync(bool full)
    {
        _poll = ShortestPoll;
        _fullClaims = full ? _fullClaims + 1 : 0;
        if (_fullClaims == FullClaimsOfBacklog)
        {
            await _listener.EndWaitAsync(_wakeUp).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The caller's token ends the wait for a connection, and never a statement: a claim that was cancelled may be committed,
    /// its rows leased to nobody. In place of it there is the command's time-out.
    /// </summary>
    private async ValueTask<(List<Delivery> Claimed, TimeSpan Due)> ClaimAsync(int max, bool idle, CancellationToken cancellationToken)
    {
        var connection = await _connections.OpenAsync(_connections.Receive, _doing, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                var (begin, started) = (_turns is null ? _floor.Begin() : ClaimFloor.None, Stopwatch.GetTimestamp());
                var batch = new NpgsqlBatch(connection);
                await using (batch.ConfigureAwait(false))
                {
                    var claim = new NpgsqlBatchCommand(_claim);
                    claim.Parameters.Add(new NpgsqlParameter<int> { TypedValue = max, NpgsqlDbType = NpgsqlDbType.Integer });
                    claim.Parameters.Add(new NpgsqlParameter<long> { TypedValue = _lease, NpgsqlDbType = NpgsqlDbType.Bigint });
                    if (_turns is null)
                    {
                        claim.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = begin, NpgsqlDbType = NpgsqlDbType.TimestampTz });
                    }
                    else
                    {
                        claim.Parameters.Add(new NpgsqlParameter<int> { TypedValue = _turns.Lower(max), NpgsqlDbType = NpgsqlDbType.Integer });
                        claim.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = _turns.Order(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
                    }

                    batch.BatchCommands.Add(claim);
                    var unasked = idle ? _dueRation.Left : TimeSpan.MaxValue;
                    if (unasked == TimeSpan.Zero)
                    {
                        batch.BatchCommands.Add(new NpgsqlBatchCommand(_nextDue));
                    }

                    var (claimed, due) = await ReadAsync(batch, unasked == TimeSpan.Zero, begin, started).ConfigureAwait(false);
                    return (claimed, unasked > TimeSpan.Zero && unasked < due ? unasked : due);
                }
            }
            catch (Exception e)
            {
                throw _connections.Failed(e, _doing);
            }
        }
    }

    /// <summary>Tells now and then what makes the queue slow, since it can be helped outside only.</summary>
    private void Watch(TimeSpan vain)
    {
        if (vain >= Slow && _floor.IsKnown && (_warnedAt == 0 || Stopwatch.GetElapsedTime(_warnedAt) >= BetweenWarnings))
        {
            _warnedAt = Stopwatch.GetTimestamp();
            _log.DeadRows(_queue, _connections.Where, (long)vain.TotalMilliseconds);
        }
    }

    private async ValueTask<(List<Delivery> Claimed, TimeSpan Due)> ReadAsync(NpgsqlBatch batch, bool asks, DateTime begin, long started)
    {
        var claimed = new List<Delivery>();
        var lower = _turns is null ? claimed : [];
        DateTime? oldest = null;
        var due = TimeSpan.MaxValue;
        var reader = await batch.ExecuteReaderAsync(CancellationToken.None).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            while (await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                var delivery = ReadDelivery(reader);
                (_turns is not null && reader.GetBoolean(5) ? lower : claimed).Add(delivery);
                oldest = delivery.Due < oldest ? delivery.Due : oldest ?? delivery.Due;
            }

            var others = TimeSpan.Zero;
            if (asks && await reader.NextResultAsync(CancellationToken.None).ConfigureAwait(false)
                && await reader.ReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                others = TimeSpan.FromMicroseconds(reader.GetInt64(1));
                _dueRation.Took(others);
                if (!await reader.IsDBNullAsync(0, CancellationToken.None).ConfigureAwait(false))
                {
                    // A millisecond more, so that it is due when we look.
                    due = TimeSpan.FromMicroseconds(Math.Max(0, reader.GetInt64(0)) + 1000);
                }
            }

            Watch(_floor.End(begin, oldest, Stopwatch.GetElapsedTime(started) - others));
        }

        if (_turns is not null)
        {
            return (_turns.Merge(claimed, lower), due);
        }

        claimed.Sort(static (a, b) => ((PgmqDelivery)a).RowId.CompareTo(((PgmqDelivery)b).RowId));
        return (claimed, due);
    }

    private PgmqDelivery ReadDelivery(NpgsqlDataReader row)
    {
        var (id, reads) = (row.GetInt64(0), row.GetInt32(1));
        var message = row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2);
        var headers = row.IsDBNull(3) ? null : row.GetFieldValue<byte[]>(3);
        var envelope = _reader.Read(id, message, headers, out var counted, out var defect);
        return new PgmqDelivery(this, _queue, envelope, id, reads, counted, row.GetDateTime(4)) { Defect = defect };
    }

    private async ValueTask ReleaseAsync(List<Delivery> claimed)
    {
        var batch = new Settlement[claimed.Count];
        for (var i = 0; i < batch.Length; i++)
        {
            batch[i] = Settlement.Release(claimed[i]);
        }

        await _settler.SettleAsync(batch, new SettleResult[batch.Length], CancellationToken.None).ConfigureAwait(false);
    }
}
