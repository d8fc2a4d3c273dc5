using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders;

/// <summary>One way to use one broker. The scenarios know nothing more of it.</summary>
public abstract class Contender(Job job) : IAsyncDisposable
{
    protected Job Job { get; } = job;

    /// <summary>Connects and makes the queues, so that publishes have somewhere to go.</summary>
    public abstract ValueTask PrepareAsync();

    /// <summary>Completes when the broker has it durably. Where it only awaits the client it is pooled, so that the comparison adds nothing.</summary>
    /// <param name="order">The message.</param>
    /// <param name="queue">The index of the queue that is to get it.</param>
    public abstract ValueTask PublishAsync(Order order, int queue);

    /// <summary>Starts to consume from all queues; each message is settled after its handler.</summary>
    public abstract ValueTask ConsumeAsync();

    /// <summary>Puts messages into the queue that become visible only long after the run.</summary>
    public virtual Task PublishDelayedAsync(int count) => throw new NotSupportedException();

    /// <summary>Stops everything; nothing that was handled is left unsettled.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>What a contender is in the comparison.</summary>
public enum Role
{
    /// <summary>The broker's client with the same work done by hand: what the others are compared with.</summary>
    Raw,

    /// <summary>The fastest that we know how to write by hand.</summary>
    Tuned,

    /// <summary>Postrider.</summary>
    Ours,

    /// <summary>Another framework.</summary>
    Rival,
}

/// <summary>A contender in the list.</summary>
/// <param name="Broker">The broker it uses.</param>
/// <param name="Name">Its name beside the others of the broker.</param>
/// <param name="Role">What it is.</param>
/// <param name="Create">Makes it.</param>
/// <param name="Pace">How fast it is, roughly, in the broker's nominal rates; only the sizes of runs depend on it.</param>
public sealed record Entry(Broker Broker, string Name, Role Role, Func<Job, Contender> Create, double Pace = 1)
{
    public string Id => $"{Broker.Name}/{Name}";
}

/// <summary>A broker.</summary>
/// <param name="Name">As on the command line.</param>
/// <param name="Kind">As <c>eng/brokers.sh</c> calls it, or null if it needs no server.</param>
/// <param name="Variable">Names the address of a server that is to be used instead of a new one.</param>
/// <param name="PublishRate">Messages per second, roughly; only the sizes of runs depend on it.</param>
/// <param name="ConsumeRate">The same for consuming.</param>
public sealed record Broker(string Name, string? Kind, string? Variable, int PublishRate, int ConsumeRate)
{
    /// <summary>Whether a backlog can be there before somebody consumes.</summary>
    public bool HoldsBacklog => Kind is not null;
}
