using System.Globalization;
using Postrider.Core.Hosting;
using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Core.Stats;

/// <summary>The minutes of queues in the state store: an entry for each queue and day, written by the host that counts the queue.</summary>
internal sealed class MinuteRows(HostState state, TimeProvider time)
{
    public static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private const string Prefix = "minutes";
    private const int Tries = 3;
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    /// <summary>An entry has those of a whole day.</summary>
    private static readonly TimeSpan Life = Kept + TimeSpan.FromDays(1);

    /// <summary>How long until a minute is over.</summary>
    public TimeSpan UntilNext => Minute - new TimeSpan(time.GetUtcNow().Ticks % Minute.Ticks);

    /// <summary>Writes the minute that is just over.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="depth">How many messages it holds.</param>
    /// <param name="hosts">What each host has counted.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="StateStoreException">The store cannot be asked. What is missing is in the next minute.</exception>
    public async ValueTask WriteAsync(string queue, long depth, IEnumerable<StatsSnapshot> hosts, CancellationToken cancellationToken)
    {
        var (processes, handling) = (new List<(StatsProcess, MinuteCounts)>(), Durations.None);
        foreach (var host in hosts.Where(host => host.Processes.Length == 1 && host.Queues.Any(one => one.Queue == queue)))
        {
            var handled = host.Handling.Where(one => one.Queue == queue).Aggregate(new HandlingStats(), static (sum, one) => sum.Merge(one));
            processes.Add((host.Processes[0], new(handled.Counts.Handled, handled.Counts.Failed, handled.Counts.Retried, handled.Counts.DeadLettered)));
            handling = handling.Merge(handled.Handling);
        }

        var now = time.GetUtcNow();
        var begin = now - (Minute / 2);
        var row = new MinuteStats
        {
            Minute = begin - new TimeSpan(begin.Ticks % Minute.Ticks),
            Depth = depth,
            Mean = handling.Mean,
            Percentile95 = handling.Percentile(95),
            Percentile99 = handling.Percentile(99),
        };
        var date = DateOf(row.Minute);
        for (var tries = 0; tries < Tries; tries++)
        {
            // Whoever wrote last may have been another, so it is read each time.
            var (day, revision) = await ReadAsync(queue, date, cancellationToken).ConfigureAwait(false);
            day ??= MinuteDay.After(revision == 0 ? (await ReadAsync(queue, date.AddDays(-1), cancellationToken).ConfigureAwait(false)).Day : null, row.Minute);
            day.Add(row, processes, now);
            if (await state.Store!.PutAsync(KeyOf(queue, date), day.Write(StateKey.MaxValueBytes), revision, Life, cancellationToken).ConfigureAwait(false) is not null)
            {
                return;
            }
        }
    }

    /// <exception cref="MessagingConfigurationException">The name is illegal, or there is no store.</exception>
    /// <exception cref="StateStoreException">The store cannot be asked.</exception>
    public async ValueTask<IReadOnlyList<MinuteStats>> ReadAsync(string queue, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken)
    {
        Names.CheckQueue(queue);
        _ = state.Require("Keeping the minutes of queues");
        var (last, oldest) = (time.GetUtcNow(), time.GetUtcNow() - Kept);
        (last, oldest) = (until < last ? until : last, since > oldest ? since : oldest);
        var rows = new List<MinuteStats>();
        for (var date = DateOf(oldest); oldest < last && date <= DateOf(last); date = date.AddDays(1))
        {
            var (day, _) = await ReadAsync(queue, date, cancellationToken).ConfigureAwait(false);
            rows.AddRange(day?.Rows.Where(row => row.Minute >= oldest && row.Minute < last) ?? []);
        }

        return rows;
    }

    private async ValueTask<(MinuteDay? Day, long Revision)> ReadAsync(string queue, DateOnly date, CancellationToken cancellationToken) =>
        await state.Store!.GetAsync(KeyOf(queue, date), cancellationToken).ConfigureAwait(false) is { } entry ? (MinuteDay.Read(entry.Value, date), entry.Revision) : (null, 0);

    private static DateOnly DateOf(DateTimeOffset time) => DateOnly.FromDateTime(time.UtcDateTime);

    private static string KeyOf(string queue, DateOnly date) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}.{queue}.{date:yyyyMMdd}");
}
