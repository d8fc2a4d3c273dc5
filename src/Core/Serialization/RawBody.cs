using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>How a message that is text or bytes travels: as it is, without a serializer.</summary>
internal abstract class RawBody<TMessage>
{
    /// <summary>For <c>string</c>, <c>byte[]</c> and <c>ReadOnlyMemory&lt;byte&gt;</c>, else null.</summary>
    public static RawBody<TMessage>? Instance { get; } =
        (object?)(typeof(TMessage) == typeof(string) ? new Text()
            : typeof(TMessage) == typeof(byte[]) ? new Bytes()
            : typeof(TMessage) == typeof(ReadOnlyMemory<byte>) ? new Memory()
            : null) as RawBody<TMessage>;

    /// <summary>Unless the publisher says otherwise.</summary>
    public abstract string ContentType { get; }

    public abstract void Write(IBufferWriter<byte> output, TMessage message);

    /// <exception cref="MalformedMessageException">It is not what its content type says.</exception>
    public abstract TMessage Read(Envelope envelope);
}

/// <summary>Written as UTF-8, read as its content type says.</summary>
internal sealed class Text : RawBody<string>
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public override string ContentType => "text/plain; charset=utf-8";

    public override void Write(IBufferWriter<byte> output, string message) => Utf8.GetBytes(message, output);

    public override string Read(Envelope envelope)
    {
        try
        {
            return Charset(envelope.ContentType).GetString(envelope.Body.Span);
        }
        catch (Exception e) when (e is ArgumentException)
        {
            throw new MalformedMessageException($"The body is not text of the content type '{envelope.ContentType}': {e.Message}", e);
        }
    }

    /// <exception cref="ArgumentException">It is unknown.</exception>
    public static Encoding Charset(string? contentType) =>
        contentType is not null && MediaTypeHeaderValue.TryParse(contentType, out var parsed) && parsed.CharSet?.Trim('"') is { Length: > 0 } charset
            ? Encoding.GetEncoding(charset, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback)
            : Utf8;
}

internal sealed class Bytes : RawBody<byte[]>
{
    public override string ContentType => "application/octet-stream";

    public override void Write(IBufferWriter<byte> output, byte[] message) => output.Write(message);

    public override byte[] Read(Envelope envelope) => envelope.Body.ToArray();
}

/// <summary>What is read is good until the handler has ended.</summary>
internal sealed class Memory : RawBody<ReadOnlyMemory<byte>>
{
    public override string ContentType => "application/octet-stream";

    public override void Write(IBufferWriter<byte> output, ReadOnlyMemory<byte> message) => output.Write(message.Span);

    public override ReadOnlyMemory<byte> Read(Envelope envelope) => envelope.Body;
}
