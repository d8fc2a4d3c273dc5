namespace NATS.NKeys;

/// <summary>RFC 4648 base32 without padding, upper case.</summary>
internal static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static string Encode(ReadOnlySpan<byte> data)
    {
        var text = new char[((data.Length * 8) + 4) / 5];
        var (bits, count, length) = (0, 0, 0);
        foreach (var one in data)
        {
            bits = (bits << 8) | one;
            count += 8;
            while (count >= 5)
            {
                count -= 5;
                text[length++] = Alphabet[(bits >> count) & 31];
            }

            bits &= (1 << count) - 1;
        }

        if (count > 0)
        {
            text[length] = Alphabet[(bits << (5 - count)) & 31];
        }

        return new(text);
    }

    /// <summary>Fills <paramref name="data"/>, whose length must fit the text. False for any other text: nothing of it is told.</summary>
    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> data)
    {
        if (text.Length != ((data.Length * 8) + 4) / 5)
        {
            return false;
        }

        var (bits, count, length) = (0, 0, 0);
        foreach (var character in text)
        {
            var value = character is >= 'A' and <= 'Z' ? character - 'A' : character is >= '2' and <= '7' ? character - '2' + 26 : -1;
            if (value < 0)
            {
                return false;
            }

            bits = (bits << 5) | value;
            count += 5;
            if (count >= 8)
            {
                count -= 8;
                data[length++] = (byte)(bits >> count);
            }

            bits &= (1 << count) - 1;
        }

        // What is left over must be zero, or two texts would mean one key.
        return bits == 0;
    }
}
