using System.Collections.Frozen;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>The serializers by content type. The last one registered for a content type wins; the last one registered at all writes.</summary>
internal sealed class Serializers
{
    private readonly FrozenDictionary<string, IMessageSerializer> _byContentType;

    private readonly Upcasters _upcasters;

    public Serializers(IReadOnlyList<IMessageSerializer> serializers, Upcasters upcasters)
    {
        _upcasters = upcasters;
        var byContentType = new Dictionary<string, IMessageSerializer>(StringComparer.OrdinalIgnoreCase);
        foreach (var serializer in serializers)
        {
            byContentType[serializer.ContentType] = serializer;
        }

        _byContentType = byContentType.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        Default = serializers[^1];
    }

    public IMessageSerializer Default { get; }

    /// <summary>Reads what a consumer takes, an older version by its upcasters. A newer one is read as if it were the consumer's: what it has in addition is ignored.</summary>
    /// <exception cref="MalformedMessageException">The content type is unknown, or the body is not of it.</exception>
    /// <exception cref="UnsupportedVersionException">It is older, and no upcaster is registered.</exception>
    public TMessage Decode<TMessage>(Envelope envelope)
        where TMessage : notnull
    {
        var type = MessageType<TMessage>.Instance;
        return type.Raw is { } raw ? raw.Read(envelope)
            : _upcasters.Applies<TMessage>(type, envelope) ? _upcasters.Read<TMessage>(this, envelope)
            : Deserialize<TMessage>(envelope);
    }

    /// <exception cref="MalformedMessageException">The content type is unknown, or the body is not of it.</exception>
    public TMessage Deserialize<TMessage>(Envelope envelope)
        where TMessage : notnull =>
        Find(envelope.ContentType) is { } serializer ? serializer.Deserialize<TMessage>(envelope.Body)
        : throw new MalformedMessageException($"No serializer is registered for the content type '{envelope.ContentType}'.");

    /// <summary>Null if there is none. Without a content type, the default.</summary>
    public IMessageSerializer? Find(string? contentType)
    {
        if (contentType is null || contentType == Default.ContentType)
        {
            return Default;
        }

        var parameters = contentType.IndexOf(';', StringComparison.Ordinal);
        var mediaType = parameters < 0 ? contentType : contentType[..parameters].TrimEnd();
        return _byContentType.GetValueOrDefault(mediaType);
    }
}
