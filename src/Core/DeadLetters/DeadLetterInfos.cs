using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Core.DeadLetters;

/// <summary>Writes down why a delivery is dead, within the limits that headers have.</summary>
internal static class DeadLetterInfos
{
    private const int TextBytes = 1024;
    private const int StackBytes = 4 * 1024;

    public static DeadLetterInfo Create(Delivery delivery, Outcome outcome, int attempts, DateTimeOffset now) => new()
    {
        Reason = outcome.Reason,
        Description = Cut(outcome.Description, TextBytes),
        ExceptionType = Cut(outcome.Exception?.GetType().FullName, TextBytes),
        ExceptionMessage = Cut(outcome.Exception?.Message, TextBytes),
        StackTrace = Cut(outcome.Exception?.StackTrace, StackBytes),
        Attempts = attempts,
        Redeliveries = delivery.Redeliveries,
        Queue = delivery.Queue,
        Topic = delivery.Envelope.Topic,
        At = now,
        Host = Environment.MachineName,
    };

    /// <summary>At most so many UTF-8 bytes, no half characters, and no control characters but line ends and tabs, which become spaces.</summary>
    internal static string? Cut(string? text, int maxBytes)
    {
        if (string.IsNullOrEmpty(text))
        {
            return text;
        }

        var kept = new StringBuilder(Math.Min(text.Length, maxBytes));
        var bytes = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var shown = Rune.IsControl(rune) ? new Rune(' ') : rune;
            bytes += shown.Utf8SequenceLength;
            if (bytes > maxBytes)
            {
                break;
            }

            kept.Append(shown.ToString());
        }

        return kept.ToString();
    }
}
