using System.Collections.Frozen;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>The serializers by content type. The last one registered for a content type wins; the last one registered at all writes.</summary>
internal sealed class Serializers
{
    private readonly FrozenDictionary<string, IMessageSerializer> _byContentType;

    public Serializers(IReadOnlyList<IMessageSerializer> serializers)
    {
        var byContentType = new Dictionary<string, IMessageSerializer>(StringComparer.OrdinalIgnoreCase);
        foreach (var serializer in serializers)
        {
            byContentType[serializer.ContentType] = serializer;
        }

        _byContentType = byContentType.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        Default = serializers[^1];
    }

    public IMessageSerializer Default { get; }

    /// <exception cref="MalformedMessageException">The content type is unknown, or the body is not of it.</exception>
    public TMessage Decode<TMessage>(Envelope envelope)
        where TMessage : notnull =>
        MessageType<TMessage>.Instance.Raw is { } raw ? raw.Read(envelope)
        : Find(envelope.ContentType) is { } serializer ? serializer.Deserialize<TMessage>(envelope.Body)
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
