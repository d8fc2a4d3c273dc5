using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>Values of AMQP headers, of whatever type, as text: strings as they are, bytes that are no text as base64, tables and lists as JSON.</summary>
internal static class HeaderText
{
    private const int Deepest = 100;
    private const int LongestTime = 100;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Of(object value)
    {
        switch (value)
        {
            case byte[] bytes: return Text(bytes);
            case string text: return text;
            case bool flag: return flag ? "true" : "false";
            case AmqpTimestamp time: return Moment(time) is { } at ? at.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture) : $"{time.UnixTime}";
            case BinaryTableValue binary: return Convert.ToBase64String(binary.Bytes);
            case IFormattable number: return number.ToString(null, CultureInfo.InvariantCulture);
            default:
                using (var stream = new MemoryStream())
                {
                    using (var json = new Utf8JsonWriter(stream, Options))
                    {
                        Write(json, value, 0);
                    }

                    return Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
                }
        }
    }

    /// <summary>A count; zero for whatever is none.</summary>
    public static int Number(object value) => value switch
    {
        int number => Math.Max(0, number),
        long number => (int)Math.Clamp(number, 0, int.MaxValue),
        byte number => number,
        sbyte number => Math.Max((sbyte)0, number),
        short number => Math.Max((short)0, number),
        ushort number => number,
        uint number => (int)Math.Min(number, int.MaxValue),
        byte[] or string when int.TryParse(Of(value), NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        _ => 0,
    };

    public static DateTimeOffset? Time(object value) => value switch
    {
        AmqpTimestamp time => Moment(time),
        byte[] bytes => Parse(bytes),
        string text when DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) => time,
        _ => null,
    };

    private static DateTimeOffset? Parse(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = stackalloc char[LongestTime];
        return bytes.Length <= LongestTime && Encoding.UTF8.TryGetChars(bytes, text, out var length)
            && DateTimeOffset.TryParse(text[..length], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
    }

    private static DateTimeOffset? Moment(AmqpTimestamp time) =>
        time.UnixTime is >= 0 and < 253_402_300_800 ? DateTimeOffset.FromUnixTimeSeconds(time.UnixTime) : null;

    private static string Text(byte[] bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return Convert.ToBase64String(bytes);
        }
    }

    private static void Write(Utf8JsonWriter json, object? value, int depth)
    {
        switch (value)
        {
            case null:
                json.WriteNullValue();
                break;
            case IDictionary<string, object?> table when depth < Deepest:
                json.WriteStartObject();
                foreach (var (name, item) in table)
                {
                    json.WritePropertyName(name);
                    Write(json, item, depth + 1);
                }

                json.WriteEndObject();
                break;
            case IList list and not byte[] when depth < Deepest:
                json.WriteStartArray();
                foreach (var item in list)
                {
                    Write(json, item, depth + 1);
                }

                json.WriteEndArray();
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case int or long or short or byte or sbyte or ushort or uint or decimal:
                json.WriteRawValue(Of(value));
                break;
            case double number when double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case float number when float.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            default:
                json.WriteStringValue(depth < Deepest ? Of(value) : "…");
                break;
        }
    }
}
