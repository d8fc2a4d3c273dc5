using Postrider.Core.Consuming;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Who gets the slots of a pool, and that none is lost.</summary>
public sealed class WorkerPoolTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(false, "1 0 2")]
    [InlineData(true, "0 1 2")]
    public async Task The_next_is_who_came_first_or_whose_queue_does(bool isStrict, string order)
    {
        var pool = new WorkerPool("some", 1, isStrict);
        Assert.True(await pool.EnterAsync(3, CancellationToken.None));
        int[] ranks = [1, 0, 2];
        var waiting = ranks.ToDictionary(static rank => rank, rank => pool.EnterAsync(rank, CancellationToken.None).AsTask());
        Assert.Equal(new PoolStatus(1, 1, 3), pool.Status);

        foreach (var next in order.Split(' ').Select(int.Parse))
        {
            pool.Leave();
            Assert.True(await waiting[next].WaitAsync(Patience));
            waiting.Remove(next);
            Assert.All(waiting.Values, static one => Assert.False(one.IsCompleted));
        }

        pool.Leave();
        Assert.Equal(new PoolStatus(1, 0, 0), pool.Status);
    }

    [Fact]
    public async Task Who_stops_waiting_gets_no_slot_and_costs_none()
    {
        var pool = new WorkerPool("some", 1, isStrict: false);
        await pool.EnterAsync(0, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var first = pool.EnterAsync(1, stop.Token).AsTask();
        var second = pool.EnterAsync(2, CancellationToken.None).AsTask();

        await stop.CancelAsync();

        Assert.False(await first.WaitAsync(Patience));
        Assert.Equal(new PoolStatus(1, 1, 1), pool.Status);
        pool.Leave();
        Assert.True(await second.WaitAsync(Patience));
    }

    [Theory]
    [InlineData(false, 1, true)]
    [InlineData(false, 0, false)]
    [InlineData(true, 0, true)]
    [InlineData(true, 1, false)]
    [InlineData(true, 2, false)]
    public async Task Who_goes_on_lets_others_before_it(bool isStrict, int waits, bool yields)
    {
        // The one that goes on is of the queue of rank 0, or if the order counts, 1.
        var rank = isStrict ? 1 : 0;
        var pool = new WorkerPool("some", 1, isStrict);
        await pool.EnterAsync(rank, CancellationToken.None);
        var other = pool.EnterAsync(waits, CancellationToken.None).AsTask();

        var goingOn = pool.GoOnAsync(rank, CancellationToken.None).AsTask();

        Assert.Equal(!yields, goingOn.IsCompleted);
        if (yields)
        {
            Assert.True(await other.WaitAsync(Patience));
            pool.Leave();
        }

        Assert.True(await goingOn.WaitAsync(Patience));
    }

    [Fact]
    public async Task Workers_of_the_same_queue_do_not_keep_others_waiting()
    {
        var pool = new WorkerPool("some", 1, isStrict: false);
        await pool.EnterAsync(0, CancellationToken.None);
        var same = pool.EnterAsync(0, CancellationToken.None).AsTask();
        var other = pool.EnterAsync(1, CancellationToken.None).AsTask();

        var goingOn = pool.GoOnAsync(0, CancellationToken.None).AsTask();

        Assert.True(await other.WaitAsync(Patience));
        Assert.False(same.IsCompleted || goingOn.IsCompleted);
    }
}
