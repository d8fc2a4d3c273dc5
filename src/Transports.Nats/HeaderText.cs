using System.Buffers;
using System.Text;

namespace Postrider.Transports.Nats;

/// <summary>Text in headers: percent-encoded UTF-8, as the CloudEvents binding for NATS has it.</summary>
internal static class HeaderText
{
    private const string Hex = "0123456789ABCDEF";
    private static readonly SearchValues<char> Plain = SearchValues.Create([.. Enumerable.Range(0x21, 0x7E - 0x21 + 1).Select(static c => (char)c).Where(static c => c is not ('"' or '%'))]);
    private static readonly SearchValues<char> PlainOfNames = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    private static readonly SearchValues<char> Printable = SearchValues.Create([.. Enumerable.Range(0x20, 0x7E - 0x20 + 1).Select(static c => (char)c)]);

    /// <summary>Whether it may stand in a header as it is and is read as it is: printable ASCII without spaces around it.</summary>
    public static bool IsPlain(string value) => value.Length > 0 && value[0] != ' ' && value[^1] != ' ' && !value.AsSpan().ContainsAnyExcept(Printable);

    /// <summary>Whether it may stand before the colon.</summary>
    public static bool IsPlainName(string name) => name.Length > 0 && !name.AsSpan().ContainsAnyExcept(PlainOfNames);

    /// <summary>A value; the same string if nothing has to be encoded.</summary>
    /// <exception cref="ArgumentException">It holds half a surrogate pair.</exception>
    public static string Encode(string value) => value.AsSpan().ContainsAnyExcept(Plain) ? Encode(value, Plain) : value;

    /// <summary>A name.</summary>
    /// <exception cref="ArgumentException">It holds half a surrogate pair.</exception>
    public static string EncodeName(string name) => Encode(name, PlainOfNames);

    /// <summary>Tolerates what is not encoded as it should be: it stands for itself.</summary>
    public static string Decode(ReadOnlySpan<byte> value)
    {
        if (!value.Contains((byte)'%'))
        {
            return Encoding.UTF8.GetString(value);
        }

        var bytes = ArrayPool<byte>.Shared.Rent(value.Length);
        var length = 0;
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] == '%' && i + 2 < value.Length && Digit(value[i + 1]) is >= 0 and var high && Digit(value[i + 2]) is >= 0 and var low)
            {
                bytes[length++] = (byte)((high << 4) | low);
                i += 2;
            }
            else
            {
                bytes[length++] = value[i];
            }
        }

        var text = Encoding.UTF8.GetString(bytes, 0, length);
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }

    private static string Encode(string text, SearchValues<char> plain)
    {
        var result = new StringBuilder(text.Length + 16);
        Span<byte> utf8 = stackalloc byte[4];
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var taken) != OperationStatus.Done)
            {
                throw new ArgumentException("It holds half a surrogate pair, which no header can carry.");
            }

            if (rune.IsAscii && plain.Contains((char)rune.Value))
            {
                result.Append((char)rune.Value);
            }
            else
            {
                foreach (var one in utf8[..rune.EncodeToUtf8(utf8)])
                {
                    result.Append('%').Append(Hex[one >> 4]).Append(Hex[one & 15]);
                }
            }

            rest = rest[taken..];
        }

        return result.ToString();
    }

    private static int Digit(byte character) => character switch
    {
        >= (byte)'0' and <= (byte)'9' => character - '0',
        >= (byte)'A' and <= (byte)'F' => character - 'A' + 10,
        >= (byte)'a' and <= (byte)'f' => character - 'a' + 10,
        _ => -1,
    };
}
