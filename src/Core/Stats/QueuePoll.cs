using System.Collections.Concurrent;
using System.Text;
using Postrider.Core.Hosting;
using Postrider.Core.State;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Stats;

/// <summary>
/// Counts what is in the queues that this host consumes. Each is counted by one host: the one whose entry in the state store it has, until that host is gone.
/// Hosts without a store count for themselves.
/// </summary>
internal sealed class QueuePoll(TransportSet transports, HostState state, HostIdentity self, TimeProvider time)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    /// <summary>Soon, so that nobody who has just started waits for the numbers.</summary>
    public static readonly TimeSpan UntilFirst = TimeSpan.FromSeconds(2);

    private const string Prefix = "polls";

    /// <summary>So that one look may fail.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(75);

    private readonly ConcurrentDictionary<string, QueueCount> _counted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _held = new(StringComparer.Ordinal);
    private readonly byte[] _id = Encoding.ASCII.GetBytes(self.Id);

    /// <summary>The latest numbers of the queue; null if another host counts it, or nobody could.</summary>
    public QueueCount? Find(string queue) => _counted.GetValueOrDefault(queue);

    /// <summary>The latest numbers of each queue that this host counts.</summary>
    public IEnumerable<KeyValuePair<string, QueueCount>> All => _counted;

    /// <summary>A look at all queues. Not for more than one caller at a time.</summary>
    /// <exception cref="StateStoreException">The state store cannot be asked, so nobody knows who is to count.</exception>
    public async ValueTask LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            var entries = state.Store is { } store ? await store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false) : null;
            var queues = transports.All.SelectMany(static one => one.Queues).Select(static queue => queue.Name).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _counted.Keys.Concat(_held.Keys).Where(queue => !queues.Contains(queue)).ToList())
            {
                _counted.TryRemove(gone, out _);
                await LeaveAsync(gone, cancellationToken).ConfigureAwait(false);
            }

            foreach (var queue in queues)
            {
                if (entries is not null && !await HoldAsync(queue, entries, cancellationToken).ConfigureAwait(false))
                {
                    _counted.TryRemove(queue, out _);
                }
                else if (await CountAsync(queue, cancellationToken).ConfigureAwait(false) is { } count)
                {
                    _counted[queue] = count;
                }
                else
                {
                    // Another host may be able to.
                    _counted.TryRemove(queue, out _);
                    await LeaveAsync(queue, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (Exception)
        {
            _counted.Clear();
            throw;
        }
    }

    /// <summary>Leaves the queues to others.</summary>
    /// <exception cref="StateStoreException">The state store cannot be asked; the entries expire.</exception>
    public async ValueTask LeaveAsync(CancellationToken cancellationToken)
    {
        _counted.Clear();
        foreach (var queue in _held.Keys.ToArray())
        {
            await LeaveAsync(queue, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask LeaveAsync(string queue, CancellationToken cancellationToken)
    {
        if (_held.Remove(queue, out var revision))
        {
            await state.Store!.DeleteAsync($"{Prefix}.{queue}", revision, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> HoldAsync(string queue, IReadOnlyDictionary<string, StateEntry> entries, CancellationToken cancellationToken)
    {
        var key = $"{Prefix}.{queue}";
        _held.Remove(queue);
        if (entries.TryGetValue(key, out var entry) && !entry.Value.Span.SequenceEqual(_id))
        {
            return false;
        }

        if (await state.Store!.PutAsync(key, _id, entry?.Revision ?? 0, Life, cancellationToken).ConfigureAwait(false) is not { } revision)
        {
            return false;
        }

        _held[queue] = revision;
        return true;
    }

    /// <summary>On all transports that it is consumed on; null if that is not known of one.</summary>
    private async ValueTask<QueueCount?> CountAsync(string queue, CancellationToken cancellationToken)
    {
        var (depth, deadLetters) = (default(QueueDepth), 0L);
        foreach (var named in transports.All)
        {
            if (!named.Queues.Any(one => one.Name == queue))
            {
                continue;
            }

            if (!named.Status.Ready.IsCompletedSuccessfully || named.Transport is not (IQueueDepth and IDeadLetterAccess))
            {
                return null;
            }

            try
            {
                var one = await ((IQueueDepth)named.Transport).DepthAsync(queue, cancellationToken).ConfigureAwait(false);
                depth = depth is null ? one : depth.Add(one);
                deadLetters += await ((IDeadLetterAccess)named.Transport).CountAsync(queue, cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException)
            {
                // Its supervisor tells of outages; here it is only not known.
                return null;
            }
        }

        return depth is null ? null : new(depth, deadLetters, time.GetUtcNow());
    }
}

/// <summary>What was counted of a queue.</summary>
internal sealed record QueueCount(QueueDepth Depth, long DeadLetters, DateTimeOffset At);
