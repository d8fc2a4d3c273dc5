using System.Buffers;

namespace Postrider.Core.Serialization;

/// <summary>A buffer from the shared array pool that grows, up to a limit. Not thread-safe; kept and reused by its owner.</summary>
internal sealed class PooledBufferWriter(int limit) : IBufferWriter<byte>
{
    private const int FirstSize = 512;
    private const int LargestKept = 64 * 1024;
    private byte[] _buffer = [];
    private int _written;

    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, _written);

    public void Advance(int count)
    {
        _written += count;
        if (_written > limit)
        {
            throw new BodyTooLargeException(limit);
        }
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_written);
    }

    /// <summary>Starts anew. A large buffer goes back to the pool, so that one large message does not stay in memory.</summary>
    public void Reset()
    {
        _written = 0;
        if (_buffer.Length > LargestKept)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    private void Reserve(int sizeHint)
    {
        var needed = _written + Math.Max(sizeHint, 1);
        if (needed <= _buffer.Length)
        {
            return;
        }

        // Twice as large, but not beyond the limit for a body that may never get there.
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, Math.Min(Math.Max(_buffer.Length * 2, FirstSize), limit)));
        _buffer.AsSpan(0, _written).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = larger;
    }
}

/// <summary>A message serialized to more bytes than are allowed.</summary>
internal sealed class BodyTooLargeException(int limit) : MessagingException($"The body is larger than {limit} bytes.");
