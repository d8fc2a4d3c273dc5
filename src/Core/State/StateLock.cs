using System.Text;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Supervision;

namespace Postrider.Core.State;

/// <summary>
/// A name that one process at a time holds, by an entry of the state store that it renews. When it dies the entry expires, and another gets it: within
/// <see cref="TimeToLive"/> and the second in which a watch tells of it.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="locks">A view of the store below <see cref="Prefix"/>.</param>
/// <param name="name">What is held.</param>
/// <param name="holder">Who wants it: a process, by its id.</param>
/// <param name="time">The process's clock.</param>
/// <param name="logger">Is told when the store is away.</param>
internal sealed class StateLock(IStateStore store, StateView locks, string name, string holder, TimeProvider time, ILogger logger)
{
    public const string Prefix = "locks";

    public static readonly TimeSpan TimeToLive = TimeSpan.FromSeconds(3);

    public static readonly TimeSpan Renewal = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Waits until it is ours, for as long as that takes.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<HeldLock> TakeAsync(CancellationToken cancellationToken)
    {
        var key = $"{Prefix}.{name}";
        var value = Encoding.UTF8.GetBytes(holder);
        var backoff = new Backoff(Renewal, LongestPause);
        while (true)
        {
            var changed = locks.Changed;
            var wait = Timeout.InfiniteTimeSpan;
            if (!locks.Entries.ContainsKey(key))
            {
                var started = time.GetTimestamp();
                try
                {
                    if (await store.PutAsync(key, value, 0, TimeToLive, cancellationToken).ConfigureAwait(false) is { } revision)
                    {
                        return new HeldLock(store, key, value, revision, started, time);
                    }

                    // Another has it, which the view may not know yet. If it is given back before the view looks, the view tells of no change.
                    wait = Renewal;
                }
                catch (StateStoreException e)
                {
                    wait = backoff.Next();
                    logger.LockNotTaken(name, wait, e.Message);
                }
            }

            using var woken = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(changed, Task.Delay(wait, time, woken.Token)).ConfigureAwait(false);
            await woken.CancelAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
