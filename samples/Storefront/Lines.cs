using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Postrider.Storefront;

/// <summary>One line of the input, without its end.</summary>
public readonly record struct Line(long Number, ReadOnlyMemory<byte> Text)
{
    public bool IsBlank => Text.Span.IndexOfAnyExcept(" \t\r"u8) < 0;
}

/// <summary>Reads lines as they are, byte for byte (but for a byte order mark), holding one at a time, however long the input is.</summary>
public static class Lines
{
    /// <summary>The rest of a longer line is skipped; what is given is one byte too long, so that whoever minds the limit sees it.</summary>
    public static async IAsyncEnumerable<Line> ReadAsync(
        Stream input, int longestLine, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(input, new(bufferSize: 64 * 1024));
        var (number, skipping) = (0L, false);
        while (true)
        {
            // Reading from a terminal or a pipe cannot be cancelled, only no longer be waited for.
            var read = await reader.ReadAsync(cancellationToken).AsTask().WaitAsync(cancellationToken);
            var buffer = read.Buffer;
            while (!buffer.IsEmpty)
            {
                var end = buffer.PositionOf((byte)'\n');
                if (end is null && !read.IsCompleted && buffer.Length <= longestLine && !skipping)
                {
                    break;
                }

                if (!skipping)
                {
                    yield return new(++number, Copy(buffer.Slice(0, end ?? buffer.End), longestLine));
                }

                skipping = end is null;
                buffer = buffer.Slice(end is { } found ? buffer.GetPosition(1, found) : buffer.End);
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
            {
                yield break;
            }
        }
    }

    private static ReadOnlyMemory<byte> Copy(ReadOnlySequence<byte> line, int longestLine)
    {
        var text = line.Slice(0, Math.Min(line.Length, longestLine + 1L)).ToArray().AsMemory();
        text = text.Span.EndsWith("\r"u8) ? text[..^1] : text;
        return text.Span.StartsWith("\uFEFF"u8) ? text[3..] : text;
    }
}
