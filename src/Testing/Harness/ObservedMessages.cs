using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>A message that was published or sent.</summary>
/// <param name="Message">The message itself, as it was given to the bus.</param>
/// <param name="MessageId">Its id.</param>
/// <param name="Destination">Where it went.</param>
/// <param name="Options">Its options, with what middlewares made of them.</param>
/// <param name="Status">What became of it.</param>
public sealed record PublishedMessage<TMessage>(TMessage Message, string MessageId, Destination Destination, PublishOptions Options, PublishStatus Status);

/// <summary>A message that was handed out, and what the delivery came to.</summary>
public sealed class DeliveredMessage<TMessage>
{
    private readonly Handling _handling;
    private readonly Func<TMessage> _decode;

    internal DeliveredMessage(Handling handling, Func<TMessage> decode) => (_handling, _decode) = (handling, decode);

    /// <summary>The message, decoded from what the consumer got, anew each time.</summary>
    /// <exception cref="MalformedMessageException">It cannot be decoded.</exception>
    public TMessage Message => _decode();

    /// <summary>The metadata and body that the consumer got.</summary>
    public Envelope Envelope => _handling.Envelope;

    /// <summary>The queue it came from.</summary>
    public string Queue => _handling.Queue;

    /// <summary>1 for the first handler run, 2 for the first retry.</summary>
    public int Attempt => _handling.Attempt;

    /// <summary>Hand-outs before this one that ended without an outcome.</summary>
    public int Redeliveries => _handling.Redeliveries;

    /// <summary>What the handler threw, if it did.</summary>
    public Exception? Exception => _handling.Exception;

    /// <summary>Of a retry: how long it waits for its next attempt.</summary>
    public TimeSpan Delay => _handling.Settlement?.Delay ?? TimeSpan.Zero;

    /// <summary>Of a dead letter: the reason, and what else was written beside it.</summary>
    public DeadLetterInfo? DeadLetter => _handling.Settlement?.Info;

    /// <summary>What cannot be decoded fits nothing.</summary>
    internal bool Fits(Func<TMessage, bool> where)
    {
        try
        {
            return where(Message);
        }
        catch (MalformedMessageException)
        {
            return false;
        }
    }
}
