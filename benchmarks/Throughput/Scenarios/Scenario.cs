using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>One question that every contender is asked.</summary>
/// <param name="name">On the command line.</param>
/// <param name="title">In the report.</param>
internal abstract class Scenario(string name, string title)
{
    public string Name { get; } = name;

    public string Title { get; } = title;

    /// <summary>Whether it is among the first six, which the gate and the smoke test run.</summary>
    public bool IsGate { get; init; }

    /// <summary>Whether the figures to look at are p50 and p99 and not the rate.</summary>
    public bool IsLatency { get; init; }

    /// <summary>Whether it says nothing in a process that has done something before.</summary>
    public bool NeedsOwnProcess { get; init; }

    /// <summary>What this scenario needs beyond the interface, and who has it.</summary>
    public virtual bool Fits(Entry entry) => true;

    public abstract Task<Figures> RunAsync(Ring ring);
}

/// <summary>Where a scenario takes place.</summary>
/// <param name="Entry">The contender.</param>
/// <param name="Connection">The address of the broker.</param>
/// <param name="Size">How much is to be done.</param>
internal sealed record Ring(Entry Entry, string Connection, Size Size)
{
    public Task<Bench> OpenAsync(Work.Shape shape, TimeSpan? patience = null) => Bench.OpenAsync(Entry, Connection, shape, patience);

    /// <summary>How many messages to publish.</summary>
    public int ToPublish => Size.Messages(Entry.Broker.PublishRate * Entry.Pace);

    /// <summary>How many messages to consume.</summary>
    public int ToConsume => Size.Messages(Entry.Broker.ConsumeRate * Entry.Pace);
}

/// <summary>How much is to be done: so much as takes so long at nominal rates.</summary>
/// <param name="Seconds">The length of a measurement.</param>
/// <param name="Large">The size of what is called a million.</param>
internal sealed record Size(double Seconds, int Large)
{
    private const int Fewest = 100;
    private const int Most = 400_000;

    public int Messages(double perSecond) => Math.Clamp((int)(perSecond * Seconds), Fewest, Most);

    /// <summary>How much a new process does first, until the runtime has compiled what it will not compile better.</summary>
    public Size ForWarmUp() => Seconds < 0.1 ? this : this with { Seconds = Math.Max(Seconds, 3) };

    /// <summary>How many go first, until everything is connected.</summary>
    public static int WarmUp(int messages) => Math.Max(20, messages / 5);
}
