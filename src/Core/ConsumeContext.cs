using Postrider.Core.Transport;

namespace Postrider;

/// <summary>The delivery that is being handled. Valid until the handler returns; not thread-safe.</summary>
public sealed class ConsumeContext
{
    internal ConsumeContext()
    {
    }

    /// <summary>The message's metadata and raw body.</summary>
    public Envelope Envelope { get; internal set; } = null!;

    /// <summary>The message's id.</summary>
    public string MessageId => Envelope.Id;

    /// <summary>The queue it came from.</summary>
    public string Queue { get; internal set; } = null!;

    /// <summary>The name of the consumer that handles it.</summary>
    public string Consumer { get; internal set; } = null!;

    /// <summary>1 for the first handler run, 2 for the first retry.</summary>
    public int Attempt => Envelope.Attempt;

    /// <summary>Hand-outs that ended without an outcome.</summary>
    public int Redeliveries { get; internal set; }

    /// <summary>The user's own headers.</summary>
    public IReadOnlyDictionary<string, string> Headers => Envelope.Headers;

    /// <summary>The delivery's own dependency injection scope.</summary>
    public IServiceProvider Services { get; internal set; } = null!;

    /// <summary>Cancelled when the lease was lost, or when the drain at shutdown ran out of time.</summary>
    public CancellationToken CancellationToken { get; internal set; }
}
