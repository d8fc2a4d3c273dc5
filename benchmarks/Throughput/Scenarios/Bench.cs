using System.Diagnostics;
using System.Runtime.CompilerServices;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>A contender at work on one scenario, and how load is put on it: the same for all.</summary>
internal sealed class Bench : IAsyncDisposable
{
    public const int ManyInFlight = 1000;
    private readonly Job _job;
    private int _expected;

    private Bench(Contender contender, Job job) => (Contender, _job) = (contender, job);

    public Contender Contender { get; }

    /// <summary>How long nothing may come before messages count as lost.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    public IReadOnlyList<string> Queues => _job.Queues;

    public Ledger Ledger => _job.Ledger;

    public static async Task<Bench> OpenAsync(Entry entry, string connection, Shape shape, TimeSpan? patience = null)
    {
        var job = new Job(connection, shape);
        var bench = new Bench(entry.Create(job), job) { Patience = patience ?? TimeSpan.FromSeconds(20) };
        await bench.Contender.PrepareAsync();
        return bench;
    }

    /// <summary>Publishes with so many in flight, round the queues; returns when all are confirmed.</summary>
    public Task PublishAsync(int count, int inFlight = ManyInFlight)
    {
        _expected += count;
        var left = count;
        return Task.WhenAll(Enumerable.Range(0, Math.Min(inFlight, count)).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await SendAsync();
            }
        })));
    }

    /// <summary>Publishes one.</summary>
    public ValueTask PublishOneAsync()
    {
        _expected++;
        return SendAsync();
    }

    /// <summary>Publishes at a steady pace, without waiting for confirmations: a slow answer does not slow the load down.</summary>
    public async Task PublishAtAsync(double perSecond, int count)
    {
        _expected += count;
        var publishes = new List<Task>(count);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        var started = Stopwatch.GetTimestamp();
        while (publishes.Count < count)
        {
            await tick.WaitForNextTickAsync();
            var due = Math.Min(count, (int)(Stopwatch.GetElapsedTime(started).TotalSeconds * perSecond));
            while (publishes.Count < due)
            {
                publishes.Add(SendAsync().AsTask());
            }
        }

        await Task.WhenAll(publishes);
    }

    /// <summary>Waits until all that was published has been handled.</summary>
    public Task AllHandledAsync() => HandledAsync(_expected);

    /// <summary>Waits until so many in all have been handled.</summary>
    public Task HandledAsync(int count) => Ledger.HandledAsync(count, Patience);

    /// <summary>Adds what the ledger says, when everything has been handled.</summary>
    /// <exception cref="InvalidOperationException">Messages came without their metadata: the contender did not do the same work.</exception>
    public Figures Account(Figures figures)
    {
        figures[Figures.Published] = Ledger.Published;
        figures[Figures.Lost] = Ledger.Published - Ledger.Distinct;
        figures[Figures.Duplicates] = Ledger.Duplicates;
        return Ledger.Incomplete == 0
            ? figures
            : throw new InvalidOperationException($"{Ledger.Incomplete} messages came without all of their metadata.");
    }

    public ValueTask DisposeAsync() => Contender.DisposeAsync();

    /// <summary>Pooled, as what is measured is not the loop.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendAsync()
    {
        var number = Ledger.Begin();
        await Contender.PublishAsync(Order.Create(number, _job.Note), number % _job.Queues.Count);
        Ledger.Confirmed();
    }
}
