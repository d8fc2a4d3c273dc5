using System.Collections.Immutable;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;
using Postrider.Publishing;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// Publishes by natural batching: what is waiting while the statements under way run goes into the next one. No timers: a lone message is sent
/// at once, by its own caller. The messages of one call keep their order; so do calls that wait for each other.
/// </summary>
internal sealed class PgmqPublisher : IAsyncDisposable
{
    private const int MaxItems = 200;
    private const long MaxBytes = 4 * 1024 * 1024;
    private const long MaxDelay = 100L * 366 * 24 * 3600 * 1_000_000;

    private readonly Connections _connections;
    private readonly SchemaMigration _schema;
    private readonly MessageIds _ids;
    private readonly ImmutableSortedDictionary<string, string> _mapped;
    private readonly SendQueue<PublishCall, PublishItem> _queue;
    private readonly CancellationTokenSource _stop = new();

    /// <param name="connections">Where to.</param>
    /// <param name="schema">Makes sure that there is something to publish with.</param>
    /// <param name="ids">Those of what is published.</param>
    /// <param name="mapped">Topics that go to queues of others.</param>
    /// <param name="senders">How many statements may be under way.</param>
    public PgmqPublisher(Connections connections, SchemaMigration schema, MessageIds ids, ImmutableSortedDictionary<string, string> mapped, int senders)
    {
        (_connections, _schema, _ids, _mapped) = (connections, schema, ids, mapped);
        _queue = new(senders, SendAsync, () => PgmqErrors.Map(new ObjectDisposedException(nameof(PgmqTransport)), "publish", connections.Where));
    }

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        var call = _queue.Begin();
        for (var i = 0; i < batch.Length; i++)
        {
            if (Refuse(batch.Span[i], _mapped, i, out var item) is { } error)
            {
                results.Span[i] = new(PublishStatus.Rejected, error);
            }
            else
            {
                call.Add(item);
            }
        }

        return _queue.SendAsync(call, results, cancellationToken);
    }

    /// <summary>What is waiting is still sent for a while; then it ends as not sent, or unknown.</summary>
    public async ValueTask DisposeAsync()
    {
        _stop.CancelAfter(TimeSpan.FromSeconds(2));
        await _queue.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>Rounded up, since a message must never be early; at most a century.</summary>
    public static long Microseconds(TimeSpan delay) =>
        delay <= TimeSpan.Zero ? 0 : Math.Min(MaxDelay, (delay.Ticks / TimeSpan.TicksPerMicrosecond) + 1);

    public static Exception? Refuse(in OutgoingMessage message, ImmutableSortedDictionary<string, string> mapped, int index, out PublishItem item)
    {
        item = default;
        var isTopic = message.Destination.Kind == DestinationKind.Topic;
        var why = isTopic ? Names.WhyIllegalTopic(message.Destination.Name) : Names.WhyIllegalQueue(message.Destination.Name);
        if (why is not null)
        {
            return new MessagingConfigurationException(why);
        }

        try
        {
            var (body, headers) = EnvelopeMapper.Write(message.Envelope);
            item = new(isTopic, message.Destination.Name, message.DuplicateId ?? message.Envelope.Id, body, headers, Microseconds(message.Delay), index)
            {
                Mapped = isTopic ? mapped.GetValueOrDefault(message.Destination.Name) : null,
            };
            return null;
        }
        catch (Exception e)
        {
            return new TransportException($"The message '{message.Envelope.Id.Replace('\0', '?')}' cannot be stored: {e.Message}", TransportError.Other, e);
        }
    }

    private async Task SendAsync()
    {
        var taken = new List<(PublishCall Call, PublishItem Item)>();
        PublishCall? current = null;
        while (current is { HasMore: true } || _queue.TryTake(out current))
        {
            long bytes = 0;
            do
            {
                // The first item is taken however large it is.
                while (taken.Count < MaxItems && current.TryTake(taken.Count == 0 ? long.MaxValue : MaxBytes - bytes, out var item))
                {
                    bytes += item.Size;
                    taken.Add((current, item));
                }
            }
            while (!current.HasMore && taken.Count < MaxItems && _queue.TryTake(out current));

            current = current is { HasMore: true } ? current : null;
            if (taken.Count > 0)
            {
                await FlushAsync(taken).ConfigureAwait(false);
                taken.Clear();
            }
        }
    }

    private async Task FlushAsync(List<(PublishCall Call, PublishItem Item)> taken)
    {
        NpgsqlConnection connection;
        try
        {
            await _schema.EnsureAsync(_stop.Token).ConfigureAwait(false);
            connection = await _connections.OpenAsync(_connections.Publish, "publish", _stop.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Finish(taken, 0, taken.Count, PublishStatus.NotSent, PgmqErrors.Map(e, "publish", _connections.Where));
            return;
        }

        await using (connection.ConfigureAwait(false))
        {
            if (!_mapped.IsEmpty)
            {
                // A statement of their own: what is wrong with the queues of others is no matter to ours.
                var mapped = taken.FindAll(static one => one.Item.Mapped is not null);
                taken.RemoveAll(static one => one.Item.Mapped is not null);
                await StoreAsync(connection, mapped, 0, mapped.Count).ConfigureAwait(false);
            }

            await StoreAsync(connection, taken, 0, taken.Count).ConfigureAwait(false);
        }
    }

    private async Task StoreAsync(NpgsqlConnection connection, List<(PublishCall Call, PublishItem Item)> taken, int from, int count)
    {
        if (count == 0)
        {
            return;
        }

        try
        {
            var copies = await ExecuteAsync(connection, taken, from, count).ConfigureAwait(false);
            for (var i = 0; i < count; i++)
            {
                var (call, item) = taken[from + i];
                call.Finish(item, item.Result(copies[i], _connections.Where));
            }

            _ids.Published(count);
        }
        catch (PostgresException e) when (!PostgresErrors.IsBroken(e))
        {
            // The server has answered that it did not do it, so nothing of the statement is stored.
            if (PostgresErrors.LacksSchema(e))
            {
                _schema.Forget();
            }

            if (!PgmqErrors.ConcernsData(e) && e.SqlState != PostgresErrorCodes.UndefinedTable && taken[from].Item.Mapped is null)
            {
                Finish(taken, from, count, PublishStatus.NotSent, _connections.Failed(e, "publish"));
            }
            else if (count == 1)
            {
                Finish(taken, from, 1, PgmqErrors.ConcernsData(e) ? PublishStatus.Rejected : PublishStatus.NotSent, _connections.Failed(e, "publish"));
            }
            else
            {
                // Halving finds the bad one in a few statements and keeps the order of the others.
                await StoreAsync(connection, taken, from, count / 2).ConfigureAwait(false);
                await StoreAsync(connection, taken, from + (count / 2), count - (count / 2)).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // Broken while it was under way, unless the connection was gone before.
            var status = e is InvalidOperationException and not ObjectDisposedException ? PublishStatus.NotSent : PublishStatus.Unknown;
            Finish(taken, from, count, status, _connections.Failed(e, "publish"));
        }
    }

    private async Task<int[]> ExecuteAsync(NpgsqlConnection connection, List<(PublishCall Call, PublishItem Item)> taken, int from, int count)
    {
        var columns = new PublishColumns(count, taken[from].Item.Mapped is not null, _ids.Window);
        for (var i = 0; i < count; i++)
        {
            columns.Set(i, taken[from + i].Item);
        }

        return await columns.StoreAsync(connection, CancellationToken.None).ConfigureAwait(false);
    }

    private static void Finish(List<(PublishCall Call, PublishItem Item)> taken, int from, int count, PublishStatus status, Exception error)
    {
        for (var i = from; i < from + count; i++)
        {
            taken[i].Call.Finish(taken[i].Item, new(status, error));
        }
    }
}
