using System.Buffers;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>What is done to bodies before they are published, and undone by the content encoding of those that are received.</summary>
internal sealed class BodyTransforms
{
    /// <summary>More than anybody needs; each of them may cost as much as the largest body.</summary>
    private const int MostLayers = 8;

    /// <summary>What AMQP clients of other languages write into this property though nothing is to be undone: the charset, mostly.</summary>
    private static readonly string[] Nothing = ["identity", "utf-8", "utf8", "us-ascii", "ascii", "binary"];

    private static readonly SearchValues<char> Token = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");

    private readonly List<IBodyTransform> _applied = [];
    private readonly Dictionary<string, IBodyTransform> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="MessagingConfigurationException">One's content encoding is no token.</exception>
    public BodyTransforms(IEnumerable<IBodyTransform> applied)
    {
        _known["gzip"] = _known["x-gzip"] = new Gzip(default, 0);
        _known["br"] = new Brotli(default, 0);
        foreach (var transform in applied)
        {
            var name = transform.ContentEncoding;
            if (string.IsNullOrEmpty(name) || name.AsSpan().ContainsAnyExcept(Token) || IsNothing(name))
            {
                throw new MessagingConfigurationException(
                    $"The content encoding '{name}' of {transform.GetType()} is no name for a change of the body: it consists of letters, digits and '-._'.");
            }

            // The same one registered twice is meant once.
            _applied.RemoveAll(one => one.ContentEncoding.Equals(name, StringComparison.OrdinalIgnoreCase));
            _applied.Add(transform);
            _known[name] = transform;
        }
    }

    public bool Any => _applied.Count > 0;

    /// <summary>Changes the body of an envelope, which stays valid as long as the buffers.</summary>
    /// <param name="envelope">The Core's own.</param>
    /// <param name="buffers">The current one has the body.</param>
    /// <param name="cancellationToken">Ends the waiting for a transform.</param>
    public async ValueTask TransformAsync(Envelope envelope, BodyBuffers buffers, CancellationToken cancellationToken)
    {
        foreach (var transform in _applied)
        {
            if (await transform.TransformAsync(envelope, buffers.Other(), cancellationToken).ConfigureAwait(false))
            {
                buffers.Swap();
                envelope.Encode(buffers.Current.Written, envelope.ContentEncoding is { } inner ? $"{inner}, {transform.ContentEncoding}" : transform.ContentEncoding);
            }
        }
    }

    /// <summary>The envelope with its body as it was serialized, valid as long as the buffers.</summary>
    /// <exception cref="MalformedMessageException">The encoding is unknown, or the body is not of it, or too large without it.</exception>
    public async ValueTask<Envelope> RestoreAsync(Envelope envelope, BodyBuffers buffers, CancellationToken cancellationToken)
    {
        var layers = (envelope.ContentEncoding ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (layers.Length > MostLayers)
        {
            throw new MalformedMessageException($"The body is encoded {layers.Length} times over; the limit is {MostLayers}.");
        }

        for (var i = layers.Length - 1; i >= 0; i--)
        {
            if (IsNothing(layers[i]))
            {
                continue;
            }

            var transform = _known.GetValueOrDefault(layers[i]) ?? throw new MalformedMessageException(
                $"The body has the content encoding '{layers[i]}', which nothing here undoes. Register an IBodyTransform for it (UseBodyTransform).");
            try
            {
                await transform.RestoreAsync(envelope, buffers.Other(), cancellationToken).ConfigureAwait(false);
            }
            catch (BodyTooLargeException e)
            {
                throw new MalformedMessageException($"Without its content encoding '{layers[i]}' the message is refused: {e.Message}", e);
            }

            buffers.Swap();
            envelope = envelope with { Body = buffers.Current.Written, ContentEncoding = i == 0 ? null : string.Join(", ", layers[..i]) };
        }

        return envelope;
    }

    private static bool IsNothing(string name) => Nothing.Contains(name, StringComparer.OrdinalIgnoreCase);
}
