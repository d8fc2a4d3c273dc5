using Postrider.Pooling;

namespace Postrider.Core.Serialization;

/// <summary>Two buffers by turns: a body is read from the one and written to the other. Not thread-safe; reused.</summary>
internal sealed class BodyBuffers(int limit)
{
    private PooledBufferWriter _other = new(limit);

    public PooledBufferWriter Current { get; private set; } = new(limit);

    public static BodyBuffers Take(int limit) => Pool<BodyBuffers>.Take() is { } used && used.Limit == limit ? used : new(limit);

    private int Limit { get; } = limit;

    public void Return()
    {
        Reset();
        Pool<BodyBuffers>.Give(this);
    }

    /// <summary>An empty buffer, for <see cref="Swap"/> to make the current one.</summary>
    public PooledBufferWriter Other()
    {
        _other.Reset();
        return _other;
    }

    public void Swap() => (Current, _other) = (_other, Current);

    public void Reset()
    {
        Current.Reset();
        _other.Reset();
    }
}
