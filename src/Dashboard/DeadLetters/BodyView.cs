using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Postrider.Core.Transport;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>A body to look at: text where it is text, else bytes. The beginning only of a large one.</summary>
internal static class BodyView
{
    private const int MostText = 64 * 1024;
    private const int MostBytes = 4 * 1024;
    private const int BytesInLine = 16;

    public static Markup Show(ReadOnlyMemory<byte> body)
    {
        var text = Beginning(body.Span);
        var shown = text is null ? Math.Min(MostBytes, body.Length) : Encoding.UTF8.GetByteCount(text);
        Markup kind = text is null ? (Markup)$"Bytes that are no text, in hexadecimal." : $"Text.";
        Markup rest = shown < body.Length ? $" Only the first {shown} bytes are shown." : Markup.None;
        return $"""
            <p>{body.Length} bytes. {kind}{rest}</p>
            <pre tabindex="0" aria-label="Body">{text ?? Hex(body.Span[..shown])}</pre>
            """;
    }

    /// <summary>The body as a form can edit it, or null if a form would change it: browsers make all line ends alike, and know no control characters.</summary>
    public static string? Editable(Envelope envelope)
    {
        if (envelope.Body.Length > MostText || !Visible.IsPlain(envelope.Type) || !Visible.IsPlain(envelope.ContentType))
        {
            return null;
        }

        var text = Beginning(envelope.Body.Span);
        return text is not null && Unedited(text) is { } same && same == text && !HasControls(text) ? text : null;
    }

    /// <summary>What a form sent, with the line ends that the body had.</summary>
    public static string Edited(string original, string sent)
    {
        var text = sent.Replace("\r\n", "\n", StringComparison.Ordinal);
        return original.Contains('\r', StringComparison.Ordinal) ? text.Replace("\n", "\r\n", StringComparison.Ordinal) : text;
    }

    /// <summary>What comes back of a text that nobody has edited.</summary>
    private static string Unedited(string text) => Edited(text, text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n", "\r\n", StringComparison.Ordinal));

    private static bool HasControls(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var isLineEnd = text[i] == '\n' || (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n');
            if (char.IsControl(text[i]) && text[i] != '\t' && !isLineEnd)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The text at the beginning, whole characters only; null if it is none: not UTF-8, or with zero bytes.</summary>
    private static string? Beginning(ReadOnlySpan<byte> body)
    {
        var some = body[..Math.Min(MostText, body.Length)];
        // The cut may go through a character of up to four bytes.
        for (var less = 0; less <= 3 && less <= some.Length; less++)
        {
            if (Utf8.IsValid(some[..^less]))
            {
                return (less > 0 && some.Length == body.Length) || some.Contains((byte)0) ? null : Encoding.UTF8.GetString(some[..^less]);
            }
        }

        return null;
    }

    private static string Hex(ReadOnlySpan<byte> bytes)
    {
        var lines = new StringBuilder();
        for (var at = 0; at < bytes.Length; at += BytesInLine)
        {
            var line = bytes[at..Math.Min(at + BytesInLine, bytes.Length)];
            lines.Append(CultureInfo.InvariantCulture, $"{at:x8}  ");
            for (var i = 0; i < BytesInLine; i++)
            {
                lines.Append(i < line.Length ? line[i].ToString("x2", CultureInfo.InvariantCulture) : "  ").Append(i == 7 ? "  " : " ");
            }

            lines.Append(' ');
            foreach (var one in line)
            {
                lines.Append(one is >= (byte)' ' and <= (byte)'~' ? (char)one : '.');
            }

            lines.Append('\n');
        }

        return lines.ToString();
    }
}
