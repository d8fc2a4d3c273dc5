using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;

namespace Postrider.Dashboard.Html;

/// <summary>
/// A piece of HTML: <c>Markup row = $"&lt;td&gt;{text}&lt;/td&gt;"</c>. What the program's text says is markup; each hole is encoded, unless it is such a piece
/// itself. So text from elsewhere cannot become markup by accident.
/// </summary>
/// <remarks>Holes stand in text or in quoted attributes, and an address begins with a literal: encoding makes no other place safe.</remarks>
[InterpolatedStringHandler]
internal sealed class Markup(int literalLength, int formattedCount)
{
    public static readonly Markup None = $"";

    private readonly StringBuilder _text = new(literalLength + (formattedCount * 16));

    public void AppendLiteral(string literal) => _text.Append(literal);

    /// <summary>Text to read: characters that hide, or that turn others round, are shown by their numbers.</summary>
    public void AppendFormatted(string? text) => _text.Append(HtmlEncoder.Default.Encode(Visible.Text(text)));

    /// <summary>With the format <c>exact</c>: encoded, but otherwise as it is, for what a form sends back or edits.</summary>
    public void AppendFormatted(string? text, string format)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(format, "exact");
        _text.Append(HtmlEncoder.Default.Encode(text ?? ""));
    }

    public void AppendFormatted(long number) => _text.Append(CultureInfo.InvariantCulture, $"{number:N0}");

    public void AppendFormatted(Markup piece) => _text.Append(piece._text);

    public void AppendFormatted(IEnumerable<Markup> pieces)
    {
        foreach (var piece in pieces)
        {
            _text.Append(piece._text);
        }
    }

    public override string ToString() => _text.ToString();
}
