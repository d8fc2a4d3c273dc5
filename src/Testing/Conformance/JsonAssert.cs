using System.Numerics;
using System.Text;
using System.Text.Json;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Equality of bodies as it is promised: of bytes, or of the meaning if both are JSON.</summary>
internal static class JsonAssert
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 20_000 };

    public static void SameBody(Envelope sent, ReadOnlyMemory<byte> actual)
    {
        if (sent.Body.Span.SequenceEqual(actual.Span))
        {
            return;
        }

        var isJson = sent.ContentType is { } type && type.Contains("json", StringComparison.Ordinal);
        var expected = isJson ? Canonical(sent.Body) : null;
        Assert.True(
            expected is not null && expected == Canonical(actual),
            $"The body was {Show(sent.Body)} ({sent.ContentType}) and became {Show(actual)}.");
    }

    /// <summary>The same text for the same meaning: members sorted, repeated ones kept, numbers by value. Null for what is no JSON.</summary>
    private static string? Canonical(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, Options);
            var text = new StringBuilder();
            Write(document.RootElement, text);
            return text.ToString();
        }
        catch (Exception notJson) when (notJson is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static void Write(JsonElement element, StringBuilder text)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var member in element.EnumerateObject().OrderBy(static member => member.Name, StringComparer.Ordinal))
                {
                    text.Append(member.Name.Length).Append(member.Name).Append(':');
                    Write(member.Value, text);
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in element.EnumerateArray())
                {
                    Write(item, text);
                    text.Append(',');
                }

                text.Append(']');
                break;
            case JsonValueKind.Number:
                WriteNumber(element.GetRawText(), text);
                break;
            case JsonValueKind.String:
                text.Append('"').Append(element.GetString()).Append('"');
                break;
            default:
                text.Append(element.ValueKind);
                break;
        }
    }

    /// <summary>Digits without trailing zeros, and the power of ten: no number is too large or too exact.</summary>
    private static void WriteNumber(string number, StringBuilder text)
    {
        var exponentAt = number.AsSpan().IndexOfAny('e', 'E');
        var exponent = exponentAt < 0 ? 0 : BigInteger.Parse(number[(exponentAt + 1)..], null);
        var digits = exponentAt < 0 ? number : number[..exponentAt];
        var point = digits.IndexOf('.', StringComparison.Ordinal);
        exponent -= point < 0 ? 0 : digits.Length - point - 1;
        var mantissa = BigInteger.Parse(digits.Replace(".", "", StringComparison.Ordinal), null);
        while (!mantissa.IsZero && mantissa % 10 == 0)
        {
            mantissa /= 10;
            exponent++;
        }

        text.Append(mantissa).Append('e').Append(mantissa.IsZero ? 0 : exponent);
    }

    private static string Show(ReadOnlyMemory<byte> body) => body.Length > 200
        ? $"{body.Length} bytes"
        : $"'{Encoding.UTF8.GetString(body.Span)}' ({Convert.ToHexString(body.Span)})";
}
