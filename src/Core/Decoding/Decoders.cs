using Postrider.Core.Transport;

namespace Postrider.Core.Decoding;

/// <summary>The decoders in the order of their registration, CloudEvents last. The first that takes a message reads it.</summary>
internal sealed class Decoders(IReadOnlyList<IEnvelopeDecoder> registered)
{
    private readonly IEnvelopeDecoder[] _all = [.. registered, new StructuredCloudEvents()];

    /// <exception cref="MalformedMessageException">Whatever a decoder threw: trying again cannot help.</exception>
    public Envelope Decode(Envelope envelope)
    {
        foreach (var decoder in _all)
        {
            try
            {
                if (decoder.Decode(envelope) is { } decoded)
                {
                    // A decoder that makes a new envelope need not know of attempts, without which retries would never end.
                    return decoded.Attempt == envelope.Attempt ? decoded : decoded with { Attempt = envelope.Attempt };
                }
            }
            catch (Exception e) when (e is not MalformedMessageException)
            {
                throw new MalformedMessageException($"{decoder.GetType().Name} failed: {e.Message}", e);
            }
        }

        return envelope;
    }
}
