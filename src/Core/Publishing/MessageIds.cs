using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Postrider.Core.Publishing;

/// <summary>
/// New message ids: version 7 of RFC 9562 (section 5.7), so that ids sort by time. The random part is fetched from the system for some hundred
/// ids at once, as asking for each costs more than all the rest of a publish here.
/// </summary>
internal static class MessageIds
{
    private const int RandomBytes = 10;
    private const int Fetched = 400 * RandomBytes;

    [ThreadStatic]
    private static byte[]? s_random;

    [ThreadStatic]
    private static int s_used;

    public static string New(DateTimeOffset now)
    {
        Span<byte> id = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(id, now.ToUnixTimeMilliseconds() << 16);
        Random().CopyTo(id[6..]);
        id[6] = (byte)((id[6] & 0x0F) | 0x70);
        id[8] = (byte)((id[8] & 0x3F) | 0x80);
        return new Guid(id, bigEndian: true).ToString();
    }

    private static ReadOnlySpan<byte> Random()
    {
        if (s_random is null || s_used == Fetched)
        {
            RandomNumberGenerator.Fill(s_random ??= new byte[Fetched]);
            s_used = 0;
        }

        s_used += RandomBytes;
        return s_random.AsSpan(s_used - RandomBytes, RandomBytes);
    }
}
