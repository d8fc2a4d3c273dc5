using System.IO.Compression;
using Postrider.Core.Serialization;

namespace Postrider;

/// <summary>Smaller bodies.</summary>
public static class Compression
{
    /// <summary>
    /// Compresses what is published, as the content encoding <c>gzip</c> or <c>br</c> (Brotli), which clients of any language undo. Received messages are
    /// decompressed with or without this. A body that would not become smaller travels as it is.
    /// </summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="contentEncoding"><c>gzip</c> or <c>br</c>.</param>
    /// <param name="level">How hard to try.</param>
    /// <param name="minimumBytes">Smaller bodies travel as they are.</param>
    /// <exception cref="MessagingConfigurationException">It is another content encoding: register it by <see cref="MessagingBuilder.UseBodyTransform{TTransform}"/>.</exception>
    public static MessagingBuilder UseCompression(
        this MessagingBuilder messaging, string contentEncoding = "gzip", CompressionLevel level = CompressionLevel.Fastest, int minimumBytes = 1024)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        ArgumentOutOfRangeException.ThrowIfNegative(minimumBytes);
        IBodyTransform transform = contentEncoding switch
        {
            "gzip" => new Gzip(level, minimumBytes),
            "br" => new Brotli(level, minimumBytes),
            _ => throw new MessagingConfigurationException($"UseCompression knows 'gzip' and 'br', not '{contentEncoding}'."),
        };
        return messaging.UseBodyTransform(_ => transform);
    }
}
