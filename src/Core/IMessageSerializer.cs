using System.Buffers;

namespace Postrider;

/// <summary>Turns messages of one content type into bytes and back. Thread-safe.</summary>
public interface IMessageSerializer
{
    /// <summary>The content type, without parameters: <c>application/json</c>.</summary>
    string ContentType { get; }

    /// <summary>Writes the message. Writes nothing else and keeps no reference.</summary>
    void Serialize<TMessage>(IBufferWriter<byte> output, TMessage message)
        where TMessage : notnull;

    /// <summary>Reads a message.</summary>
    /// <exception cref="MalformedMessageException">The body is not one of this type.</exception>
    TMessage Deserialize<TMessage>(ReadOnlyMemory<byte> body)
        where TMessage : notnull;
}
