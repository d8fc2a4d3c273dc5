using System.Buffers;
using System.Globalization;
using System.Text;

namespace Postrider.Dashboard.Html;

/// <summary>Text as a person has to see it: nothing hidden, nothing turned round.</summary>
internal static class Visible
{
    /// <summary>Letters and marks that are drawn as nothing, though they are no format characters.</summary>
    private static readonly SearchValues<char> Blank = SearchValues.Create("\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0");

    /// <summary>
    /// Control and format characters (those that change the direction of text, join, or have no width), separators of lines, private and unassigned characters and
    /// halves of pairs become <c>⟦U+202E⟧</c>. Line ends and tabs stay.
    /// </summary>
    public static string Text(string? text)
    {
        if (string.IsNullOrEmpty(text) || !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return text ?? "";
        }

        var shown = new StringBuilder(text.Length + 16);
        for (var i = 0; i < text.Length;)
        {
            if (text[i] is '\n' or '\t' || (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n'))
            {
                shown.Append(text[i++]);
            }
            else if (!Rune.TryGetRuneAt(text, i, out var rune))
            {
                Number(shown, text[i++]);
            }
            else
            {
                i += rune.Utf16SequenceLength;
                if (IsHidden(rune))
                {
                    Number(shown, rune.Value);
                }
                else
                {
                    shown.Append(rune.ToString());
                }
            }
        }

        return shown.ToString();
    }

    /// <summary>The same in one line, for a log.</summary>
    public static string Line(string? text) => Text(text).ReplaceLineEndings(" ");

    /// <summary>At most so many characters, with a mark where it was cut.</summary>
    public static string Short(string? text, int most) => text is null || text.Length <= most ? text ?? "" : text[..most] + "…";

    /// <summary>Whether a line of text says all that is in it.</summary>
    public static bool IsPlain(string? line) => line is null || (!line.Contains('\n', StringComparison.Ordinal) && Text(line) == line);

    private static bool IsHidden(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        || (rune.IsBmp && Blank.Contains((char)rune.Value));

    private static void Number(StringBuilder shown, int value) => shown.Append(CultureInfo.InvariantCulture, $"⟦U+{value:X4}⟧");
}
