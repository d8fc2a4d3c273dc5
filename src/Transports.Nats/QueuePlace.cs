using System.Globalization;

namespace Postrider.Transports.Nats;

/// <summary>
/// Where a message of a queue is, and how far all of the queue's streams were read when it came: <c>q17-t12</c> is the message 17 of its own stream (<c>q</c>; <c>t</c> is that
/// of the topics, <c>l</c> that of the levels), behind the message 12 of the topics.
/// </summary>
internal static class QueuePlace
{
    public const char Own = 'q';
    public const char Topics = 't';
    public const char Levels = 'l';

    /// <summary>Its own stream is named first.</summary>
    public static string Write(char own, IEnumerable<(char Tag, ulong Sequence)> streams) => string.Join(
        '-', streams.OrderBy(one => one.Tag != own).Select(static one => string.Create(CultureInfo.InvariantCulture, $"{one.Tag}{one.Sequence}")));

    /// <summary>The streams with their sequences; none of a text that is no place.</summary>
    public static IReadOnlyList<(char Tag, ulong Sequence)> Read(string? place)
    {
        var streams = new List<(char, ulong)>();
        foreach (var part in place?.Split('-') ?? [])
        {
            if (part.Length < 2 || !ulong.TryParse(part.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
            {
                return [];
            }

            streams.Add((part[0], sequence));
        }

        return streams;
    }
}
