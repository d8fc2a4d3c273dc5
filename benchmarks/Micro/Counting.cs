using BenchmarkDotNet.Attributes;
using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>All that the stats record of one message: what was published of it, and what was handled. Times are for each message of each thread.</summary>
public class Counting
{
    private const int Many = 1_000_000;
    private readonly HandlingCounters _handled = new();
    private readonly PublishCounters _published = new();
    private readonly StatsClock _clock = new(TimeProvider.System);
    private readonly MessageType _type = MessageType<Order>.Instance;
    private readonly Delivery _delivery = new Alone();

    /// <summary>How many threads count in the same counters.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    /// <summary>Nothing but the two readings of the clock that a handler's time takes.</summary>
    [Benchmark(OperationsPerInvoke = Many, Baseline = true)]
    public void Clock() => Run(static (counting, _) => counting._clock.Now() + counting._clock.Now());

    /// <summary>The counting of a message that is handled, its times given.</summary>
    [Benchmark(OperationsPerInvoke = Many)]
    public void Handled() => Run(static (counting, i) =>
    {
        counting._handled.Begin();
        counting._handled.End(counting._delivery, 1, Outcome.Ack, false, counting._clock, i, i + 20_000 + (i & 0xFFF));
        return 0;
    });

    /// <summary>The counting of a message that is published.</summary>
    [Benchmark(OperationsPerInvoke = Many)]
    public void Published() => Run(static (counting, _) =>
    {
        counting._published.Add(counting._type, PublishStatus.Stored);
        return 0;
    });

    private void Run(Func<Counting, long, long> count)
    {
        var start = _clock.Now();
        if (Threads == 1)
        {
            Loop(count, start);
            return;
        }

        Parallel.For(0, Threads, new() { MaxDegreeOfParallelism = Threads }, _ => Loop(count, start));
    }

    private void Loop(Func<Counting, long, long> count, long start)
    {
        for (var i = 0; i < Many; i++)
        {
            count(this, start + i);
        }
    }

    private sealed class Alone() : Delivery("bench", new Envelope { Id = "id", SentAt = TimeProvider.System.GetUtcNow() }, 0);
}
