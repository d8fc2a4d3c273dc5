using System.Buffers;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>
/// Changes bodies after they are serialized, and changes them back before anything reads them: encryption, or a compression of your own. One for the host, from
/// dependency injection; thread-safe.
/// </summary>
/// <remarks>
/// <para>The wire says what was done, in the order in which it was done, as HTTP does: <c>gzip, my-cipher</c>. The last is undone first. What is
/// undone is what the message's own content encoding names, never more or less. Retries, dead letters and replays keep the bytes as they came.</para>
/// <para>Only the body is changed: keys, subjects and headers travel as they are. To bind the body to the message, use its <see cref="Envelope.Id"/> and
/// <see cref="Envelope.Type"/>: the rest of the envelope may change on the way, with a retry, a replay or another client. Keep no reference to an envelope.</para>
/// </remarks>
public interface IBodyTransform
{
    /// <summary>The token that names it in the content encoding: letters, digits and <c>-._</c>. Every host that reads the messages knows it by this one.</summary>
    string ContentEncoding { get; }

    /// <summary>Writes the changed body of the envelope.</summary>
    /// <returns>False if this body stays as it is; what was written is then forgotten.</returns>
    ValueTask<bool> TransformAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken);

    /// <summary>Writes the body as it was before. The output takes no more than <see cref="MessagingOptions.MaxBodyBytes"/>: it throws, and the message is malformed.</summary>
    /// <remarks>Any other exception than the one below is a failed attempt, and the retry policy decides: that of a key, say, that cannot be had at the moment.</remarks>
    /// <exception cref="MalformedMessageException">The body is not what its content encoding says. It becomes a dead letter at once.</exception>
    ValueTask RestoreAsync(Envelope envelope, IBufferWriter<byte> output, CancellationToken cancellationToken);
}
