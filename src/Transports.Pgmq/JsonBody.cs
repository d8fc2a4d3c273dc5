using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace Postrider.Transports.Pgmq;

/// <summary>Tells whether a body survives PostgreSQL's jsonb, apart from white space and the order of keys.</summary>
internal static class JsonBody
{
    private const int MaxDepth = 64;
    private const int MaxKeys = 64;
    private const int MaxDigits = 1000;

    /// <summary>
    /// Whether it is JSON in valid UTF-8 without duplicate keys, <c>\u0000</c>, half surrogate pairs, and numbers whose text jsonb changes
    /// (exponents, negative zero), at most 64 levels deep.
    /// </summary>
    public static bool IsKept(ReadOnlySpan<byte> body)
    {
        if (body.IsEmpty || !Utf8.IsValid(body))
        {
            return false;
        }

        try
        {
            return Check(body);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static bool Check(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = MaxDepth });
        // The keys of all open objects, and where those of each level begin. Objects with more keys than fit are checked with a set.
        Span<(int Start, int Length)> keys = stackalloc (int, int)[MaxKeys];
        Span<int> levels = stackalloc int[MaxDepth + 1];
        var count = 0;
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    levels[reader.CurrentDepth] = count;
                    break;
                case JsonTokenType.EndObject:
                    count = levels[reader.CurrentDepth];
                    break;
                case JsonTokenType.PropertyName:
                    if (count == MaxKeys || reader.ValueIsEscaped)
                    {
                        return CheckSlowly(body);
                    }

                    var name = reader.ValueSpan;
                    foreach (var (start, length) in keys[levels[reader.CurrentDepth - 1]..count])
                    {
                        if (length == name.Length && body.Slice(start, length).SequenceEqual(name))
                        {
                            return false;
                        }
                    }

                    keys[count++] = ((int)reader.TokenStartIndex + 1, name.Length);
                    break;
                case JsonTokenType.String when reader.ValueIsEscaped && !IsText(reader.ValueSpan):
                case JsonTokenType.Number when !IsKeptNumber(reader.ValueSpan):
                    return false;
            }
        }

        return true;
    }

    /// <summary>The same for bodies with many keys or with escapes in keys.</summary>
    private static bool CheckSlowly(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = MaxDepth });
        var levels = new HashSet<string>?[MaxDepth + 1];
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    (levels[reader.CurrentDepth] ??= []).Clear();
                    break;
                case JsonTokenType.PropertyName:
                    if ((reader.ValueIsEscaped && !IsText(reader.ValueSpan)) || !levels[reader.CurrentDepth - 1]!.Add(reader.GetString()!))
                    {
                        return false;
                    }

                    break;
                case JsonTokenType.String when reader.ValueIsEscaped && !IsText(reader.ValueSpan):
                case JsonTokenType.Number when !IsKeptNumber(reader.ValueSpan):
                    return false;
            }
        }

        return true;
    }

    /// <summary>Whether the escapes of a JSON string make text that PostgreSQL can store.</summary>
    private static bool IsText(ReadOnlySpan<byte> escaped)
    {
        var expectLow = false;
        for (var i = 0; i < escaped.Length; i++)
        {
            var unit = (char)1;
            if (escaped[i] == (byte)'\\')
            {
                i++;
                if (escaped[i] == (byte)'u')
                {
                    unit = (char)ushort.Parse(escaped.Slice(i + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                    i += 4;
                }
            }

            if (unit == 0 || char.IsLowSurrogate(unit) != expectLow)
            {
                return false;
            }

            expectLow = char.IsHighSurrogate(unit);
        }

        return !expectLow;
    }

    private static bool IsKeptNumber(ReadOnlySpan<byte> number) =>
        number.Length <= MaxDigits
        && !number.ContainsAny((byte)'e', (byte)'E')
        && (number[0] != (byte)'-' || number.ContainsAnyInRange((byte)'1', (byte)'9'));
}
