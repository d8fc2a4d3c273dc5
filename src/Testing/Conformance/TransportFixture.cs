using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What a transport brings to the conformance suite: how to connect, how quick it is, and what can be done to its broker.</summary>
/// <remarks>
/// <para>One fixture serves all scenarios of a test project. Register it once and write one line for each area:</para>
/// <code>
/// [assembly: AssemblyFixture(typeof(PgmqFixture))]
/// public sealed class PgmqPublishing(PgmqFixture fixture) : PublishingScenarios(fixture);
/// </code>
/// <para>Scenarios use names of their own and clean nothing up, so they may run side by side, and again on the same broker.</para>
/// </remarks>
public abstract class TransportFixture : IAsyncLifetime
{
    /// <summary>Why there is no broker to test on, or null. The scenarios are then skipped, but fail where <c>CI=true</c>.</summary>
    public virtual string? WhyNoBroker => null;

    /// <summary>A lease that scenarios wait out: as short as the broker can tell exactly. At least <see cref="Quiet"/>.</summary>
    public virtual TimeSpan Lease => TimeSpan.FromSeconds(2);

    /// <summary>How long to wait for what must happen.</summary>
    public virtual TimeSpan Patience => TimeSpan.FromSeconds(20);

    /// <summary>How long to watch for what must not happen.</summary>
    public virtual TimeSpan Quiet => TimeSpan.FromMilliseconds(400);

    /// <summary>The delay of scenarios that delay.</summary>
    public virtual TimeSpan Delay => TimeSpan.FromMilliseconds(700);

    /// <summary>The clock of all waiting. The broker must be on the same one.</summary>
    public virtual TimeProvider Time => TimeProvider.System;

    /// <summary>
    /// Whether a delivery that is neither settled nor renewed goes to another after <see cref="ReceiverOptions.Lease"/>.
    /// False where a delivery is its connection's for as long as that lives.
    /// </summary>
    public virtual bool LeasesExpire => true;

    /// <summary>
    /// Whether the broker still knows after a kill how often it had handed out what was in hand. Where it does not, messages come back all the same,
    /// but with fewer redeliveries than they had.
    /// </summary>
    public virtual bool CountsSurviveKills => true;

    /// <summary>Whether a dead-letter queue can be taken away (<see cref="BreakDeadLetterQueueAsync"/>).</summary>
    public virtual bool CanBreakDeadLetterQueue => false;

    /// <summary>Whether <see cref="StartPrivateBrokerAsync"/> works.</summary>
    public virtual bool CanKillBroker => false;

    /// <summary>Set by the proof of the suite: what the transports do wrong.</summary>
    internal FaultSwitch Fault { get; set; } = FaultSwitch.Off;

    /// <summary>A new transport to the shared broker, with nothing in common with earlier ones: what another process would have.</summary>
    public abstract ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken);

    /// <summary>
    /// A running broker that may be killed. Scenarios that kill run one after another and dispose of it at their end,
    /// so it may be the same one each time.
    /// </summary>
    public virtual ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException("CanKillBroker is false.");

    /// <summary>Makes it impossible to write to the dead-letter queue of this queue: deletes it, renames it, takes the rights away.</summary>
    public virtual ValueTask BreakDeadLetterQueueAsync(string queue, CancellationToken cancellationToken) =>
        throw new NotSupportedException("CanBreakDeadLetterQueue is false.");

    /// <summary>Undoes <see cref="BreakDeadLetterQueueAsync"/>.</summary>
    public virtual ValueTask RestoreDeadLetterQueueAsync(string queue, CancellationToken cancellationToken) =>
        throw new NotSupportedException("CanBreakDeadLetterQueue is false.");

    /// <summary>Called once before the first scenario.</summary>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Called once after the last scenario.</summary>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A broker of the test's own.</summary>
public interface IBrokerUnderTest : IAsyncDisposable
{
    /// <summary>A new transport to it.</summary>
    ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken);

    /// <summary>Ends it like <c>kill -9</c>: nothing is flushed, nobody is told.</summary>
    ValueTask KillAsync(CancellationToken cancellationToken);

    /// <summary>Starts it again on the same data and the same port, and returns when it takes connections.</summary>
    ValueTask StartAsync(CancellationToken cancellationToken);
}
