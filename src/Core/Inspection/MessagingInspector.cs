using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.Stats;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Inspection;

/// <summary>Asks those who know. What is its own is the pages, and the word in the log when a queue is flushed.</summary>
internal sealed class MessagingInspector(
    TransportSet transports, IMessagingStats stats, IMessagingProcesses processes, IQueueControl control, IDeadLetters letters, HostState state, HostIdentity self,
    ILoggerFactory loggers) : IMessagingInspector
{
    /// <summary>So many whole bodies are held at once, at most.</summary>
    private const int Chunk = 100;

    /// <summary>Between queue and position in the place where a page of dead letters begins. No queue has it in its name.</summary>
    private const char Mark = ' ';

    private readonly SafeLogger _log = new(loggers.CreateLogger("Postrider"));

    public IReadOnlyList<string> Queues => letters.Queues;

    public async ValueTask<MessagingOverview> StatsAsync(CancellationToken cancellationToken)
    {
        var all = await stats.GetAllAsync(cancellationToken).ConfigureAwait(false);
        return state.Store is null
            ? new(all, [], [], [])
            : new(
                all,
                await processes.GetAsync(cancellationToken).ConfigureAwait(false),
                await control.GetPausedAsync(cancellationToken).ConfigureAwait(false),
                await control.GetOpenCircuitsAsync(cancellationToken).ConfigureAwait(false));
    }

    public async ValueTask<InspectorPage<PendingMessage>> PendingAsync(string queue, string? after, int size, CancellationToken cancellationToken)
    {
        CheckSize(size);
        var (name, browser) = BrowserOf(queue);
        var found = new List<PendingMessage>(size);
        while (found.Count < size)
        {
            var max = Math.Min(Chunk, size - found.Count);
            var some = await browser.ListAsync(name, after, max, cancellationToken).ConfigureAwait(false);
            found.AddRange(some.Select(Cut));
            if (some.Count < max)
            {
                return new(found, null);
            }

            after = some[^1].Position;
        }

        return new(found, after);
    }

    public ValueTask<PendingMessage?> FindPendingAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(position);
        var (name, browser) = BrowserOf(queue);
        return browser.FindAsync(name, position, cancellationToken);
    }

    public async ValueTask<InspectorPage<DeadLetter>> FailedAsync(string? queue, string? after, int size, CancellationToken cancellationToken)
    {
        CheckSize(size);
        var queues = queue is null ? letters.Queues : [queue];
        var (first, position) = Place(after);
        var found = new List<DeadLetter>(size);
        foreach (var one in first is null ? queues : queues.SkipWhile(one => one != first))
        {
            await foreach (var letter in letters.ListAsync(one, null, one == first ? position : null, cancellationToken).ConfigureAwait(false))
            {
                if (found.Count == size)
                {
                    return new(found, $"{found[^1].Queue}{Mark}{found[^1].Position}");
                }

                found.Add(letter);
            }
        }

        return new(found, null);
    }

    public ValueTask<int> RetryAsync(string queue, IEnumerable<string> positions, CancellationToken cancellationToken) =>
        EachAsync(queue, positions, letter => letters.ReplayAsync(letter, null, cancellationToken), cancellationToken);

    public ValueTask<int> ForgetAsync(string queue, IEnumerable<string> positions, CancellationToken cancellationToken) =>
        EachAsync(queue, positions, letter => letters.DiscardAsync(letter, cancellationToken), cancellationToken);

    public async ValueTask<long> FlushAsync(string queue, string by, bool delayed, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        var (name, named) = transports.Locate(queue);
        var flush = named.Transport as IQueueFlush
            ?? throw new MessagingConfigurationException($"The transport '{named.Transport.Capabilities.System}' cannot flush queues.");
        try
        {
            var count = await flush.FlushAsync(name, delayed, cancellationToken).ConfigureAwait(false);
            _log.Flushed(queue, by, self.ToString(), count, delayed);
            return count;
        }
        catch (Exception e)
        {
            _log.FlushFailed(queue, by, self.ToString(), e.Message);
            throw;
        }
    }

    private async ValueTask<int> EachAsync(string queue, IEnumerable<string> positions, Func<DeadLetter, ValueTask<bool>> action, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(positions);
        var count = 0;
        foreach (var position in positions)
        {
            if (await letters.FindAsync(queue, position, cancellationToken).ConfigureAwait(false) is { } letter && await action(letter).ConfigureAwait(false))
            {
                count++;
            }
        }

        return count;
    }

    private (string Queue, IQueueBrowser Browser) BrowserOf(string queue)
    {
        var (name, named) = transports.Locate(queue);
        var browsing = named.Transport.Capabilities.Browsing;
        return named.Transport is IQueueBrowser browser && browsing.IsSupported
            ? (name, browser)
            : throw new MessagingConfigurationException(
                $"What waits in the queue '{name}' cannot be shown on the transport '{named.Transport.Capabilities.System}': {browsing.How} Its depth is in IMessagingStats.");
    }

    private static PendingMessage Cut(PendingMessage message) => message.BodyBytes <= IMessagingInspector.PreviewBytes
        ? message
        : message with { Envelope = message.Envelope with { Body = message.Envelope.Body[..IMessagingInspector.PreviewBytes].ToArray() } };

    private static (string? Queue, string? Position) Place(string? after) =>
        after?.IndexOf(Mark, StringComparison.Ordinal) is { } mark and > 0 ? (after[..mark], after[(mark + 1)..]) : (null, null);

    private static void CheckSize(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, IMessagingInspector.LargestPage);
    }
}
