using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>RFC 1952.</summary>
internal sealed class Gzip(CompressionLevel level, int minimumBytes) : IBodyTransform
{
    /// <summary>Header, trailer and an empty block.</summary>
    private const int Smallest = 20;

    public string ContentEncoding => "gzip";

    public ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        var body = envelope.Body.Span;
        if (body.Length < minimumBytes)
        {
            return new(false);
        }

        var shorter = new ShorterStream(output, body.Length);
        using (var gzip = new GZipStream(shorter, level))
        {
            gzip.Write(body);
        }

        return new(!shorter.IsFull);
    }

    public ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        var body = envelope.Body;
        var bytes = MemoryMarshal.TryGetArray(body, out var array) ? array : new(body.ToArray());
        using var gzip = new GZipStream(new MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false), CompressionMode.Decompress);
        var length = 0U;
        try
        {
            // Piece by piece, so that a small body that becomes a huge one is noticed at the limit.
            while (gzip.Read(output.GetSpan()) is var read and > 0)
            {
                output.Advance(read);
                length += (uint)read;
            }
        }
        catch (InvalidDataException e)
        {
            throw new MalformedMessageException($"The body is not gzip, though its content encoding says so: {e.Message}", e);
        }

        // The stream takes the end of a body that was cut off for the end of the data. The last four bytes tell the length of what was compressed; of several
        // members in one body, which nobody sends, they would tell that of the last.
        return body.Length >= Smallest && BinaryPrimitives.ReadUInt32LittleEndian(body.Span[^4..]) == length
            ? default
            : throw new MalformedMessageException($"The body is not all of what was compressed by gzip: {length} bytes could be read of it.");
    }

    /// <summary>Takes what is written to it as long as that is shorter than the body was.</summary>
    private sealed class ShorterStream(IBufferWriter<byte> output, int length) : Stream
    {
        private int _left = length;

        public bool IsFull => _left <= 0;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _left -= Math.Min(buffer.Length, _left);
            if (!IsFull)
            {
                output.Write(buffer);
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
