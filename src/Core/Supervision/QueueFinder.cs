using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.Transport;

namespace Postrider.Core.Supervision;

/// <summary>
/// Looks again and again which queues there are on a transport, and has those consumed that match a pattern: the longest one that does, and none if the queue has
/// consumers by its name. A queue that is gone is consumed no more, and never made again.
/// </summary>
/// <param name="named">The transport.</param>
/// <param name="consume">Consumes a queue until that is cancelled, or until it is gone.</param>
/// <param name="reports">Is told of those that cannot be consumed.</param>
/// <param name="interval">The time between two looks.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Is told of what comes and goes.</param>
internal sealed class QueueFinder(
    NamedTransport named, Func<ConsumerQueue, QueueFinder, CancellationToken, Task> consume, ExceptionReports reports, TimeSpan interval, TimeProvider time, ILogger logger)
{
    private readonly IQueueList _list = (IQueueList)named.Transport;
    private readonly QueueTemplate[] _templates = [.. named.Templates.OrderByDescending(static one => one.Prefix.Length)];
    private readonly HashSet<string> _named = [.. named.Queues.Select(static queue => queue.Name)];
    private readonly Dictionary<string, Running> _running = new(StringComparer.Ordinal);
    private bool _isListed = true;

    /// <summary>Ends when all that was found has ended.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await LookAsync(stop).ConfigureAwait(false);
                await Task.Delay(interval, time, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Each of them is told by the same token.
        }

        await Task.WhenAll(_running.Values.Select(static one => one.Task)).ConfigureAwait(false);
    }

    /// <summary>Whether a queue is to be waited for: it is there, or nobody can tell.</summary>
    public async Task<bool> MayExistAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            return (await _list.ListQueuesAsync(queue, cancellationToken).ConfigureAwait(false)).Contains(queue, StringComparer.Ordinal);
        }
        catch (Exception e) when (e is TransportException or OperationCanceledException)
        {
            return true;
        }
    }

    private async Task LookAsync(CancellationToken stop)
    {
        if (await ListAsync(stop).ConfigureAwait(false) is not { } found)
        {
            return;
        }

        foreach (var (name, one) in _running.ToList())
        {
            if (!found.ContainsKey(name))
            {
                await one.Gone.CancelAsync().ConfigureAwait(false);
            }

            if (one.Task.IsCompleted && (!one.IsFaulted || !found.ContainsKey(name)))
            {
                _running.Remove(name);
                one.Gone.Dispose();
                if (one.IsFaulted)
                {
                    Forget(one.Queue);
                }
            }
        }

        foreach (var (name, template) in found.OrderBy(static one => one.Key, StringComparer.Ordinal))
        {
            if (!_running.ContainsKey(name) && template.Build(name) is { } queue)
            {
                logger.QueueFound(name, template.Pattern.Name);
                named.Status.Set(name, QueueState.Starting);
                named.Add(queue);
                named.Status.Tell(new QueueFound(name));
                var one = new Running(queue, stop);
                one.Task = Task.Run(() => RunAsync(one, stop), CancellationToken.None);
                _running.Add(name, one);
            }
        }
    }

    /// <returns>Those that a pattern is for, with it; null if that cannot be told.</returns>
    private async Task<Dictionary<string, QueueTemplate>?> ListAsync(CancellationToken stop)
    {
        var found = new Dictionary<string, QueueTemplate>(StringComparer.Ordinal);
        try
        {
            foreach (var template in _templates)
            {
                foreach (var queue in await _list.ListQueuesAsync(template.Prefix, stop).ConfigureAwait(false))
                {
                    if (!_named.Contains(queue))
                    {
                        found.TryAdd(queue, template);
                    }
                }
            }

            _isListed = true;
            return found;
        }
        catch (TransportException e)
        {
            if (_isListed)
            {
                logger.QueuesNotListed(named.Name, e.Message);
            }

            _isListed = false;
            return null;
        }
    }

    private async Task RunAsync(Running one, CancellationToken stop)
    {
        try
        {
            await consume(one.Queue, this, one.Gone.Token).ConfigureAwait(false);
            if (!stop.IsCancellationRequested)
            {
                Forget(one.Queue);
            }
        }
        catch (TransportException e)
        {
            // What is wrong with one that somebody else made does not end what the application has itself.
            one.IsFaulted = true;
            named.Status.Set(one.Queue.Name, QueueState.Faulted);
            logger.FoundQueueFaulted(one.Queue.Name, e.Message);
            reports.Add(new(e, "connect", one.Queue.Name));
        }
    }

    private void Forget(ConsumerQueue queue)
    {
        named.Remove(queue);
        named.Status.Forget(queue.Name);
        named.Status.Tell(new QueueGone(queue.Name));
        logger.QueueGone(queue.Name);
    }

    private sealed class Running(ConsumerQueue queue, CancellationToken stop)
    {
        public ConsumerQueue Queue => queue;

        /// <summary>Is cancelled when the queue is gone, and at the stop.</summary>
        public CancellationTokenSource Gone { get; } = CancellationTokenSource.CreateLinkedTokenSource(stop);

        public Task Task { get; set; } = Task.CompletedTask;

        public bool IsFaulted { get; set; }
    }
}
