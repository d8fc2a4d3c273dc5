using System.Globalization;
using System.Text;

namespace Postrider.Testing.Harness;

/// <summary>Everything that happened, in order. Thread-safe.</summary>
internal sealed class Timeline(TimeProvider time)
{
    /// <summary>The most that is shown: the end tells most.</summary>
    private const int MostLines = 200;

    private readonly Lock _gate = new();
    private readonly List<Happening> _happenings = [];
    private readonly DateTimeOffset _start = time.GetUtcNow();

    /// <summary>Stands above the timeline; null: nothing.</summary>
    public string? Heading { get; set; }

    public DateTimeOffset Now => time.GetUtcNow();

    public void Add(Happening happening)
    {
        lock (_gate)
        {
            happening.At = time.GetUtcNow();
            _happenings.Add(happening);
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _happenings.Clear();
        }
    }

    public IReadOnlyList<T> All<T>()
        where T : Happening
    {
        lock (_gate)
        {
            return [.. _happenings.OfType<T>()];
        }
    }

    /// <summary>A line for each, with short numbers for message ids.</summary>
    public override string ToString()
    {
        var happenings = All<Happening>();
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var happening in happenings)
        {
            if (happening.MessageId is { } id)
            {
                numbers.TryAdd(id, numbers.Count + 1);
            }
        }

        var text = new StringBuilder();
        if (Heading is not null)
        {
            text.AppendLine(Heading);
        }

        text.Append(happenings.Count == 0 ? "Nothing happened." : "What happened:");
        if (happenings.Count > MostLines)
        {
            text.AppendLine().Append(CultureInfo.InvariantCulture, $"  ({happenings.Count - MostLines} earlier lines)");
        }

        foreach (var happening in happenings.TakeLast(MostLines))
        {
            var who = happening.MessageId is { } id ? $"#{numbers[id]} {happening.MessageType}".TrimEnd() + " " : "";
            var by = happening.CauseId is { } cause && numbers.TryGetValue(cause, out var number) ? $", by #{number}" : "";
            text.AppendLine().Append(
                CultureInfo.InvariantCulture, $"  {happening.At - _start:hh\\:mm\\:ss\\.fff}  {happening.Kind,-13}  {who}{happening.Details}{by}");
        }

        return text.ToString();
    }
}

/// <summary>One line of the timeline.</summary>
internal abstract class Happening
{
    public DateTimeOffset At { get; set; }

    public string? MessageId { get; protected set; }

    public string? MessageType { get; protected init; }

    /// <summary>The message in whose handler it happened.</summary>
    public string? CauseId { get; init; }

    /// <summary>A word or two.</summary>
    public abstract string Kind { get; }

    public abstract string Details { get; }

    protected static string Words(Exception exception) => $"{exception.GetType().Name}: {exception.Message}";

    /// <summary>For people: 10 ms, 90 s, 1.5 h.</summary>
    public static string Words(TimeSpan time)
    {
        var (number, unit) = time switch
        {
            { TotalSeconds: < 1 } => (time.TotalMilliseconds, "ms"),
            { TotalMinutes: < 2 } => (time.TotalSeconds, "s"),
            { TotalHours: < 2 } => (time.TotalMinutes, "min"),
            { TotalDays: < 2 } => (time.TotalHours, "h"),
            _ => (time.TotalDays, "d"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{number:0.###} {unit}");
    }
}

/// <summary>Something beside messages, or about one.</summary>
internal sealed class Note : Happening
{
    public Note(string kind, string details, string? messageId = null, string? messageType = null) =>
        (Kind, Details, MessageId, MessageType) = (kind, details, messageId, messageType);

    public override string Kind { get; }

    public override string Details { get; }
}
