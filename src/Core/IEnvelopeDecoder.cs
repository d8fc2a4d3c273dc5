using Postrider.Core.Transport;

namespace Postrider;

/// <summary>Reads messages that carry their metadata in a form of their own: in a wrapped body, or in headers of another framework. Thread-safe.</summary>
/// <remarks>
/// It sees every delivery before its consumer is chosen, so it looks at the content type or at a header first, and at the body only of what may be its own.
/// Retries and dead letters keep the message as it came.
/// </remarks>
public interface IEnvelopeDecoder
{
    /// <summary>Makes the envelope that the consumer is to see, with the payload as its body, or answers null: the message is not of this form.</summary>
    /// <remarks>The new body may be a slice of the old one.</remarks>
    /// <exception cref="MalformedMessageException">It is of this form, but cannot be read. It goes to the dead-letter queue at once, its bytes kept.</exception>
    Envelope? Decode(Envelope envelope);
}
