using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>
/// What is stored below a prefix, as it is stored, by a consumer that lives as long as this listens. It notices when it has missed something or cannot
/// hear any more, and then it is of no more use.
/// </summary>
internal sealed class StateFeed : IAsyncDisposable
{
    /// <summary>Whoever has heard nothing for so long is not connected to the consumer any more.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(500);

    /// <summary>What is kept for whoever is slow. More is dropped, and he looks at everything anew.</summary>
    private const int Most = 1000;

    private readonly Link _link;
    private readonly StateBucket _bucket;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly Dictionary<string, StoredState> _heard = new(StringComparer.Ordinal);
    private NatsSubBase? _subscription;
    private ulong _count;
    private long _heardAt = Stopwatch.GetTimestamp();
    private volatile bool _isBroken;

    private StateFeed(Link link, StateBucket bucket) => (_link, _bucket) = (link, bucket);

    /// <summary>From its end on, nothing that is stored is missed.</summary>
    public static async ValueTask<StateFeed> OpenAsync(JetStreamApi api, StateBucket bucket, string prefix, string doing, CancellationToken cancellationToken)
    {
        await bucket.MakeAsync(cancellationToken).ConfigureAwait(false);
        var link = await api.Links.GetAsync(doing, cancellationToken).ConfigureAwait(false);
        var feed = new StateFeed(link, bucket);
        try
        {
            var inbox = "_INBOX." + Guid.NewGuid().ToString("N");
            await link.SubscribeAsync(connection => feed._subscription = new Inbox(connection, inbox, feed), cancellationToken).ConfigureAwait(false);
            var config = Json.Feed(bucket.Stream, bucket.Below(prefix), inbox, Heartbeat);
            bucket.Checked(await api.CreateEphemeralAsync(bucket.Stream, config, doing, cancellationToken).ConfigureAwait(false), doing);
            return feed;
        }
        catch (Exception e)
        {
            await feed.DisposeAsync().ConfigureAwait(false);
            throw cancellationToken.IsCancellationRequested ? e : api.Links.Failed(e, doing);
        }
    }

    /// <summary>Brings what is known up to date. False if something may have been missed.</summary>
    public bool TryTake(IDictionary<string, StoredState> known)
    {
        lock (_gate)
        {
            foreach (var heard in _heard.Values)
            {
                Merge(known, heard);
            }

            _heard.Clear();
            return !_isBroken && !_link.Ended.IsCancellationRequested && Stopwatch.GetElapsedTime(_heardAt) < Silence;
        }
    }

    /// <summary>What was looked up when the feed began may be newer than what it tells.</summary>
    public static void Merge(IDictionary<string, StoredState> known, StoredState heard)
    {
        if (known.TryGetValue(heard.Key, out var last) && last.Sequence > heard.Sequence)
        {
            return;
        }

        if (heard.IsDeleted)
        {
            // Nothing older can come any more.
            known.Remove(heard.Key);
        }
        else
        {
            known[heard.Key] = heard;
        }
    }

    /// <summary>Waits until there is something to take, at most so long.</summary>
    public async ValueTask WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _link.Ended);
        try
        {
            await _changed.WaitAsync(atMost < Silence ? atMost : Silence, end.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The connection is lost, as the next TryTake tells.
        }
    }

    /// <summary>The server drops the consumer some seconds later.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_subscription is { } subscription)
        {
            await _link.UnsubscribeAsync(subscription).ConfigureAwait(false);
        }

        _changed.Dispose();
    }

    private void Hear(string subject, string? replyTo, ReadOnlySpan<byte> headers, int status, in ReadOnlySequence<byte> value)
    {
        lock (_gate)
        {
            _heardAt = Stopwatch.GetTimestamp();
            if (status != 0)
            {
                // How many it has handed out, when it has nothing to hand out.
                _isBroken |= Count(headers) != _count;
            }
            else if (Position.TryParse(replyTo, _bucket.Stream, out var position))
            {
                _isBroken |= position.HandedOut != ++_count || _heard.Count >= Most;
                if (!_isBroken && _bucket.KeyOf(subject) is { } key)
                {
                    _heard[key] = StoredState.Read(key, position.Sequence, position.StoredAt, headers, value.ToArray());
                }
            }

            if ((_isBroken || _heard.Count > 0) && _changed.CurrentCount == 0)
            {
                _changed.Release();
            }
        }
    }

    private static ulong Count(ReadOnlySpan<byte> headers)
    {
        while (Headers.Line(ref headers, out var line))
        {
            if (Headers.Split(line, out var name, out var text) && name.SequenceEqual("Nats-Last-Consumer"u8) && Utf8Parser.TryParse(text, out ulong count, out _))
            {
                return count;
            }
        }

        return ulong.MaxValue;
    }

    /// <summary>Called on the thread that reads the socket.</summary>
    private sealed class Inbox(NatsConnection connection, string subject, StateFeed feed) : NatsSubBase(connection, connection.SubscriptionManager, subject, null, null)
    {
        protected override ValueTask ReceiveInternalAsync(string subject, string? replyTo, ReadOnlySequence<byte>? headersBuffer, ReadOnlySequence<byte> payloadBuffer)
        {
            try
            {
                var headers = headersBuffer is not { } present ? default : present.IsSingleSegment ? present.FirstSpan : present.ToArray();
                feed.Hear(subject, replyTo, headers, Headers.Status(headersBuffer), payloadBuffer);
            }
            catch (Exception)
            {
                // Whatever it was, the connection and its other users go on.
                feed._isBroken = true;
            }

            return default;
        }

        protected override void TryComplete()
        {
        }
    }
}
