using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>
/// A broker that can go away and come back without a broker: transports wrapped by it fail as if the connection were lost while the outage
/// lasts. What the inner transports stored stays stored, so it looks like a durable broker that is killed and restarted.
/// </summary>
/// <remarks>
/// Thread-safe. What is under way when it begins ends without an answer: a publish may or may not have been stored, a settlement may or may not
/// have taken effect, and what was claimed comes back when its lease is over.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Reliability", "CA1001:Types that own disposable fields should be disposable", Justification = "A source without a timer holds nothing.")]
public sealed class Outage
{
    private readonly Lock _gate = new();
    private CancellationTokenSource _connection = new();

    /// <summary>Whether the broker is away.</summary>
    public bool IsOn => Connection.IsCancellationRequested;

    /// <summary>Cancelled when the connection of now is lost.</summary>
    internal CancellationToken Connection
    {
        get
        {
            lock (_gate)
            {
                return _connection.Token;
            }
        }
    }

    /// <summary>The broker goes away.</summary>
    public void Begin()
    {
        CancellationTokenSource lost;
        lock (_gate)
        {
            lost = _connection;
        }

        lost.Cancel();
    }

    /// <summary>The broker is back.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (_connection.IsCancellationRequested)
            {
                _connection = new();
            }
        }
    }

    /// <summary>A transport that suffers from the outage. It owns the inner one.</summary>
    public ITransport Wrap(ITransport inner) => new OutageTransport(inner, this);

    /// <summary>A state store that suffers from the outage. It owns the inner one.</summary>
    public IStateStore Wrap(IStateStore inner) => new OutageStateStore(inner, this);

    internal static TransportException Error() => new("The broker is away.", TransportError.Unavailable);

    internal void ThrowIfOn()
    {
        if (IsOn)
        {
            throw Error();
        }
    }
}
