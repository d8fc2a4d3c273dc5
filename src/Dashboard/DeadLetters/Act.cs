using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Postrider.Dashboard.DeadLetters;

internal enum What
{
    Replay,
    Move,
    Discard,
}

/// <summary>What a form of a list asks for.</summary>
internal sealed record Act(What What, bool IsForAll, IReadOnlyList<string> Positions, string? To, double? Rate)
{
    /// <summary>What goes for good, and what goes to many at once.</summary>
    public bool MustBeAsked => IsForAll || What == What.Discard;

    public string Name => $"{What.ToString().ToLowerInvariant()}-{(IsForAll ? "all" : "selected")}";

    /// <exception cref="InputException">Something is missing or cannot be understood.</exception>
    public static Act Read(IFormCollection form)
    {
        var (what, isForAll) = form["do"].ToString() switch
        {
            "replay-selected" => (What.Replay, false),
            "replay-all" => (What.Replay, true),
            "move-selected" => (What.Move, false),
            "move-all" => (What.Move, true),
            "discard-selected" => (What.Discard, false),
            "discard-all" => (What.Discard, true),
            _ => throw new InputException("It is not said what to do."),
        };
        var to = form[isForAll ? "to-all" : "to-selected"].ToString();
        if (what == What.Move && to.Length == 0)
        {
            throw new InputException("Name the queue to move to.");
        }

        var positions = isForAll ? [] : PositionsOf(form);
        return isForAll || positions.Count > 0
            ? new(what, isForAll, positions, what == What.Move ? to : null, isForAll ? RateOf(form["rate"]) : null)
            : throw new InputException("None is selected.");
    }

    /// <summary>They are percent-encoded, as browsers change line ends in forms.</summary>
    public static IReadOnlyList<string> PositionsOf(IFormCollection form) => [.. form["at"].Select(static at => Uri.UnescapeDataString(at ?? ""))];

    public string InWords(View view)
    {
        var words = What.ToString().ToLowerInvariant();
        words += IsForAll ? $" all dead letters of '{view.Queue}'" : Positions is [var one] ? $" a dead letter of '{view.Queue}' at {one}" : $" {Positions.Count} selected dead letters of '{view.Queue}'";
        words += IsForAll && view.FilterInWords() is { Length: > 0 } filter ? $" ({filter})" : "";
        words += To is null ? "" : $" to '{To}'";
        return words + (Rate is null ? "" : string.Create(CultureInfo.InvariantCulture, $", at most {Rate} a second"));
    }

    private static double? RateOf(string? text) =>
        string.IsNullOrEmpty(text) ? null
        : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var rate) && rate is >= 0.01 and <= 100_000 ? rate
        : throw new InputException($"'{text}' is no rate: it is a number from 0.01 to 100000, so many a second.");
}
