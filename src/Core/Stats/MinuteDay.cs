namespace Postrider.Core.Stats;

/// <summary>
/// The minutes of one day of a queue as they lie in the state store, and what each process had counted when the last of them was written: whoever writes the next
/// goes on from there, so that nothing counts twice. Not thread-safe.
/// </summary>
internal sealed class MinuteDay
{
    private const byte Version = 1;
    private const int Minutes = 24 * 60;

    /// <summary>By then a process that has started is seen.</summary>
    private static readonly TimeSpan UntilSeen = StatsShare.Interval * 3;

    private readonly SortedDictionary<int, MinuteStats> _rows = [];
    private Dictionary<string, MinuteCounts> _seen = new(StringComparer.Ordinal);
    private DateTimeOffset _at;

    public IEnumerable<MinuteStats> Rows => _rows.Values;

    /// <summary>A day without minutes.</summary>
    /// <param name="before">The day before; null: nothing is known of what was counted.</param>
    /// <param name="begin">When its first minute begins.</param>
    public static MinuteDay After(MinuteDay? before, DateTimeOffset begin) => before is null ? new() { _at = begin } : new() { _seen = before._seen, _at = before._at };

    /// <summary>Adds what was counted since the last time.</summary>
    /// <param name="row">The minute, with what is of all processes.</param>
    /// <param name="processes">What each process has counted since it started.</param>
    /// <param name="now">When that was so.</param>
    public void Add(MinuteStats row, IReadOnlyCollection<(StatsProcess Process, MinuteCounts Counts)> processes, DateTimeOffset now)
    {
        // One that has started since has counted nothing before. Of others that are not known nobody knows what was counted already.
        var added = processes.Aggregate(default(MinuteCounts), (sum, one) => sum + (
            _seen.TryGetValue(one.Process.Id, out var before) ? one.Counts.Since(before)
            : one.Process.StartedAt > _at - UntilSeen ? one.Counts
            : default));
        var minute = (int)row.Minute.UtcDateTime.TimeOfDay.TotalMinutes;
        var same = _rows.GetValueOrDefault(minute) ?? new();
        _rows[minute] = row with
        {
            Handled = same.Handled + added.Handled,
            Failed = same.Failed + added.Failed,
            Retried = same.Retried + added.Retried,
            DeadLettered = same.DeadLettered + added.DeadLettered,
        };
        _at = now;

        // What another told some seconds ago may be older than what is known.
        _seen = processes.DistinctBy(static one => one.Process.Id).ToDictionary(
            static one => one.Process.Id, one => one.Counts.Or(_seen.GetValueOrDefault(one.Process.Id)), StringComparer.Ordinal);
    }

    /// <summary>Without the first minutes if there would be too much of it.</summary>
    /// <param name="largest">How many bytes it may have.</param>
    public byte[] Write(int largest)
    {
        while (true)
        {
            var bytes = Write();
            if (bytes.Length <= largest || _rows.Count == 0)
            {
                return bytes;
            }

            // It is too much for one row more or less, so a few at once.
            foreach (var minute in _rows.Keys.Take(Minutes / 24).ToArray())
            {
                _rows.Remove(minute);
            }
        }
    }

    /// <returns>Null if it is not what was written.</returns>
    public static MinuteDay? Read(ReadOnlyMemory<byte> value, DateOnly date)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(value.ToArray()));
            if (reader.ReadByte() != Version)
            {
                return null;
            }

            var day = new MinuteDay { _at = new(reader.ReadInt64(), TimeSpan.Zero) };
            for (var left = Next(); left > 0; left--)
            {
                day._seen[reader.ReadString()] = Counts();
            }

            var begin = new DateTimeOffset(date.ToDateTime(default), TimeSpan.Zero);
            for (var left = Next(); left > 0; left--)
            {
                var (minute, counts) = (Next(), Counts());
                day._rows[(int)minute] = new()
                {
                    Minute = begin.AddMinutes(minute),
                    Handled = counts.Handled,
                    Failed = counts.Failed,
                    Retried = counts.Retried,
                    DeadLettered = counts.DeadLettered,
                    Depth = Next(),
                    Mean = Time(),
                    Percentile95 = Time(),
                    Percentile99 = Time(),
                };
            }

            return day;

            long Next() => reader.Read7BitEncodedInt64();
            TimeSpan Time() => new(Next() * TimeSpan.TicksPerMicrosecond);
            MinuteCounts Counts() => new(Next(), Next(), Next(), Next());
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Numbers of 7 bits a byte, low ones first: some 20 bytes for a busy minute.</summary>
    private byte[] Write()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Version);
        writer.Write(_at.UtcTicks);
        Put(_seen.Count);
        foreach (var (process, counts) in _seen)
        {
            writer.Write(process);
            Put(counts.Handled, counts.Failed, counts.Retried, counts.DeadLettered);
        }

        Put(_rows.Count);
        foreach (var (minute, row) in _rows)
        {
            Put(minute, row.Handled, row.Failed, row.Retried, row.DeadLettered, row.Depth, Time(row.Mean), Time(row.Percentile95), Time(row.Percentile99));
        }

        writer.Flush();
        return stream.ToArray();

        void Put(params ReadOnlySpan<long> numbers)
        {
            foreach (var number in numbers)
            {
                writer.Write7BitEncodedInt64(number);
            }
        }

        static long Time(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;
    }
}

/// <summary>What a process has counted of a queue.</summary>
internal readonly record struct MinuteCounts(long Handled, long Failed, long Retried, long DeadLettered)
{
    public static MinuteCounts operator +(MinuteCounts one, MinuteCounts other) =>
        new(one.Handled + other.Handled, one.Failed + other.Failed, one.Retried + other.Retried, one.DeadLettered + other.DeadLettered);

    /// <summary>What was counted after an earlier moment; never negative.</summary>
    public MinuteCounts Since(MinuteCounts earlier)
    {
        var later = Or(earlier);
        return new(later.Handled - earlier.Handled, later.Failed - earlier.Failed, later.Retried - earlier.Retried, later.DeadLettered - earlier.DeadLettered);
    }

    /// <summary>Those of the later moment: counts only rise.</summary>
    public MinuteCounts Or(MinuteCounts other) => new(
        Math.Max(Handled, other.Handled), Math.Max(Failed, other.Failed), Math.Max(Retried, other.Retried), Math.Max(DeadLettered, other.DeadLettered));
}
