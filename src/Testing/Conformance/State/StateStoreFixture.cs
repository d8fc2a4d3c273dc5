using Postrider.Core.State;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What a state store brings to its conformance suite: how to connect, how quick it is, and what can be done to its server.</summary>
/// <remarks>One fixture serves all scenarios, which use keys of their own, so they may run side by side, and again on the same server.</remarks>
public abstract class StateStoreFixture : IAsyncLifetime
{
    /// <summary>Why there is no server to test on, or null. The scenarios are then skipped, but fail where <c>CI=true</c>.</summary>
    public virtual string? WhyNoServer => null;

    /// <summary>How long to wait for what must happen.</summary>
    public virtual TimeSpan Patience => TimeSpan.FromSeconds(20);

    /// <summary>A time to live that scenarios wait out.</summary>
    public virtual TimeSpan ShortLife => TimeSpan.FromSeconds(1);

    /// <summary>Whether <see cref="StartPrivateServerAsync"/> works.</summary>
    public virtual bool CanKillServer => false;

    /// <summary>Set by the proof of the suite: what the stores do wrong.</summary>
    internal StateFaultSwitch Fault { get; set; } = new(StateFault.None);

    /// <summary>A new store on the shared server, with nothing in common with earlier ones: what another process would have.</summary>
    /// <param name="clock">The clock of that process, which must not matter; null for the system's.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public abstract ValueTask<IStateStore> ConnectAsync(TimeProvider? clock, CancellationToken cancellationToken);

    /// <summary>A running server that may be killed. Scenarios that kill run one after another and dispose of it at their end.</summary>
    public virtual ValueTask<IStateServerUnderTest> StartPrivateServerAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException("CanKillServer is false.");

    /// <summary>Called once before the first scenario.</summary>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Called once after the last scenario.</summary>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A server of the test's own.</summary>
public interface IStateServerUnderTest : IAsyncDisposable
{
    /// <summary>A new store on it.</summary>
    ValueTask<IStateStore> ConnectAsync(CancellationToken cancellationToken);

    /// <summary>Ends it like <c>kill -9</c>: nothing is flushed, nobody is told.</summary>
    ValueTask KillAsync(CancellationToken cancellationToken);

    /// <summary>Starts it again on the same data and the same port, and returns when it takes connections.</summary>
    ValueTask StartAsync(CancellationToken cancellationToken);
}
