using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>Which dead letters a page is about. Its text is the query of an address, and what forms carry: one reader and one writer for both.</summary>
internal sealed record View
{
    private static readonly string[] TimeFormats =
        ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    public required string Queue { get; init; }

    public DeadLetterFilter Filter { get; init; } = new();

    /// <summary>The page begins behind this position.</summary>
    public string? After { get; init; }

    /// <exception cref="InputException">It names no queue, or something that cannot be understood. Never is a filter left out: that would make it wider.</exception>
    public static View Parse(string? query)
    {
        var values = QueryHelpers.ParseQuery(query);
        return new()
        {
            Queue = One(values, "queue") ?? throw new InputException("No queue is named."),
            After = One(values, "after"),
            Filter = new()
            {
                Reason = One(values, "reason") is { } reason
                    ? DeadLetterReasonNames.FromWireName(reason) ?? throw new InputException($"There is no reason '{reason}'.")
                    : null,
                ExceptionType = One(values, "exception"),
                MessageType = One(values, "type"),
                MessageId = One(values, "id"),
                From = Time(One(values, "from")),
                Until = Time(One(values, "until")),
            },
        };
    }

    /// <summary>The query, without the question mark.</summary>
    public string ToQuery()
    {
        var query = new StringBuilder();
        Add(query, "queue", Queue);
        Add(query, "reason", Filter.Reason?.ToWireName());
        Add(query, "exception", Filter.ExceptionType);
        Add(query, "type", Filter.MessageType);
        Add(query, "id", Filter.MessageId);
        Add(query, "from", Filter.From?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        Add(query, "until", Filter.Until?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        Add(query, "after", After);
        return query.ToString();
    }

    /// <summary>The query that names one of them.</summary>
    public string ToQuery(string position)
    {
        var query = new StringBuilder((this with { After = null }).ToQuery());
        Add(query, "at", position);
        return query.ToString();
    }

    /// <summary>The filter in words; empty if there is none.</summary>
    public string FilterInWords()
    {
        var words = new List<string>();
        Say("reason", Filter.Reason?.ToWireName());
        Say("exception", Filter.ExceptionType);
        Say("type", Filter.MessageType);
        Say("id", Filter.MessageId);
        Say("dead since", Filter.From?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        Say("dead before", Filter.Until?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        return string.Join(", ", words);

        void Say(string what, string? value)
        {
            if (value is not null)
            {
                words.Add($"{what} {value}");
            }
        }
    }

    private static string? One(Dictionary<string, StringValues> values, string name) =>
        !values.TryGetValue(name, out var value) || value is [null or ""] ? null
        : value.Count == 1 ? value.ToString()
        : throw new InputException($"'{name}' is given {value.Count} times.");

    private static DateTimeOffset? Time(string? text) =>
        text is null ? null
        : DateTimeOffset.TryParseExact(
            text, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time
        : throw new InputException($"'{text}' is no time. A time is written 2026-11-26T12:00, in UTC.");

    private static void Add(StringBuilder query, string name, string? value)
    {
        if (value is not null)
        {
            query.Append(query.Length == 0 ? "" : "&").Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }
    }
}
