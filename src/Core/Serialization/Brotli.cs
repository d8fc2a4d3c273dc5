using System.Buffers;
using System.IO.Compression;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>RFC 7932.</summary>
internal sealed class Brotli(CompressionLevel level, int minimumBytes) : IBodyTransform
{
    /// <summary>The largest there is; it costs memory in proportion to the body, not to itself.</summary>
    private const int Window = 22;

    private readonly int _quality = level switch
    {
        CompressionLevel.NoCompression => 0,
        CompressionLevel.Fastest => 1,
        CompressionLevel.Optimal => 4,
        _ => 11,
    };

    public string ContentEncoding => "br";

    public ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        var body = envelope.Body.Span;
        if (body.Length < Math.Max(minimumBytes, 1) || !BrotliEncoder.TryCompress(body, output.GetSpan(body.Length)[..(body.Length - 1)], out var written, _quality, Window))
        {
            return new(false);
        }

        output.Advance(written);
        return new(true);
    }

    public ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        var decoder = default(BrotliDecoder);
        try
        {
            Restore(ref decoder, envelope.Body.Span, output);
        }
        finally
        {
            decoder.Dispose();
        }

        return default;
    }

    private static void Restore(ref BrotliDecoder decoder, ReadOnlySpan<byte> body, IBufferWriter<byte> output)
    {
        while (true)
        {
            // Piece by piece, so that a small body that becomes a huge one is noticed at the limit.
            var status = decoder.Decompress(body, output.GetSpan(), out var read, out var written);
            output.Advance(written);
            body = body[read..];
            switch (status)
            {
                case OperationStatus.Done when body.IsEmpty:
                    return;
                case OperationStatus.DestinationTooSmall:
                    break;
                default:
                    throw new MalformedMessageException("The body is not Brotli, or not all of it, though its content encoding says so.");
            }
        }
    }
}
