using System.Buffers;

namespace Postrider.Transports.Nats;

/// <summary>The bytes of a message's headers: a version line, perhaps with a status, then a line for each value.</summary>
internal static class Headers
{
    private const int VersionLength = 8; // NATS/1.0

    /// <summary>The code of <c>NATS/1.0 503 …</c>; 0 for ordinary headers and for none.</summary>
    public static int Status(in ReadOnlySequence<byte>? headers)
    {
        if (headers is not { Length: >= VersionLength + 4 } present)
        {
            return 0;
        }

        Span<byte> code = stackalloc byte[4];
        present.Slice(VersionLength, 4).CopyTo(code);
        return code[0] == ' ' && IsDigit(code[1]) && IsDigit(code[2]) && IsDigit(code[3])
            ? ((code[1] - '0') * 100) + ((code[2] - '0') * 10) + code[3] - '0'
            : 0;
    }

    /// <summary>The next line without its end, and what follows; false at the end.</summary>
    public static bool Line(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> line)
    {
        if (rest.IsEmpty)
        {
            line = default;
            return false;
        }

        var end = rest.IndexOf("\r\n"u8);
        line = end < 0 ? rest : rest[..end];
        rest = end < 0 ? default : rest[(end + 2)..];
        return true;
    }

    /// <summary>The name and the value of a line, which lose the spaces around the value.</summary>
    public static bool Split(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
        {
            name = value = default;
            return false;
        }

        name = line[..colon];
        value = line[(colon + 1)..].Trim(" \t"u8);
        return true;
    }

    private static bool IsDigit(byte character) => character is >= (byte)'0' and <= (byte)'9';
}
