using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Consuming;

namespace Postrider.Core.Tests.Consuming;

/// <summary>The batcher by itself: what is in which batch, when time and concurrency meet. See also <see cref="BatchConsumerTests"/>.</summary>
public sealed class BatcherTests
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly FakeTimeProvider _time = new();
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly ConcurrentQueue<int[]> _batches = new();

    [Fact]
    public async Task A_batch_is_in_the_order_in_which_its_messages_came_and_each_gets_its_own_outcome()
    {
        var batcher = Batcher(3, batch =>
        {
            batch[1].Outcome = Outcome.Retry(TimeSpan.FromSeconds(1));
            return new(Outcome.DeadLetter("the rest"));
        });

        var (third, first, second) = (AddAsync(batcher, 3), AddAsync(batcher, 1), AddAsync(batcher, 2));
        var outcomes = await Task.WhenAll(first, second, third).WaitAsync(Patience);

        Assert.Equal([1, 2, 3], Assert.Single(_batches));
        Assert.Equal([OutcomeKind.DeadLetter, OutcomeKind.Retry, OutcomeKind.DeadLetter], outcomes.Select(static outcome => outcome.Kind));
    }

    [Fact]
    public async Task The_time_of_a_batch_that_went_when_it_was_full_ends_in_nothing()
    {
        var batcher = Batcher(2, static _ => new(Outcome.Ack));
        await Task.WhenAll(AddAsync(batcher, 1), AddAsync(batcher, 2)).WaitAsync(Patience);

        _time.Advance(2 * MaxWait);

        Assert.Single(_batches);
    }

    [Fact]
    public async Task What_is_left_when_a_batch_goes_waits_for_its_own_time()
    {
        var gate = new TaskCompletionSource();
        var batcher = Batcher(2, async batch =>
        {
            await gate.Task;
            return Outcome.Ack;
        });
        var early = Task.WhenAll(AddAsync(batcher, 1), AddAsync(batcher, 2), AddAsync(batcher, 3), AddAsync(batcher, 4));
        _time.Advance(MaxWait - TimeSpan.FromSeconds(1));
        var late = AddAsync(batcher, 5);
        _time.Advance(TimeSpan.FromSeconds(1));
        gate.SetResult();
        await early.WaitAsync(Patience);

        await Task.WhenAll(late, AddAsync(batcher, 6)).WaitAsync(Patience);

        Assert.Equal(["1 2", "3 4", "5 6"], _batches.Select(static batch => string.Join(' ', batch)));
    }

    [Fact]
    public async Task What_has_waited_too_long_for_its_turn_goes_as_soon_as_it_can()
    {
        var gate = new TaskCompletionSource();
        var batcher = Batcher(2, async batch =>
        {
            await gate.Task;
            return Outcome.Ack;
        });
        var all = Task.WhenAll(Enumerable.Range(1, 5).Select(number => AddAsync(batcher, number)));
        _time.Advance(3 * MaxWait);
        gate.SetResult();

        await all.WaitAsync(Patience);

        Assert.Equal(["1 2", "3 4", "5"], _batches.Select(static batch => string.Join(' ', batch)));
    }

    [Fact]
    public void A_batch_goes_on_until_none_of_its_messages_is_ours()
    {
        using var one = new CancellationTokenSource();
        using var two = new CancellationTokenSource();
        using var batch = new BatchCancellation(2);
        batch.Watch(one.Token);
        batch.Watch(two.Token);

        one.Cancel();
        Assert.False(batch.Token.IsCancellationRequested);
        two.Cancel();

        Assert.True(batch.Token.IsCancellationRequested);
    }

    [Fact]
    public void A_batch_that_has_ended_is_not_told_of_what_is_cancelled_later()
    {
        using var one = new CancellationTokenSource();
        var batch = new BatchCancellation(1);
        var token = batch.Token;
        batch.Watch(one.Token);
        batch.Dispose();

        one.Cancel();

        Assert.False(token.IsCancellationRequested);
    }

    private Batcher<int> Batcher(int size, Func<IReadOnlyList<BatchItem<int>>, ValueTask<Outcome>> consume) => new(
        new() { MaxSize = size, MaxWait = MaxWait }, 1, null, (_, batch, _) =>
        {
            _batches.Enqueue([.. batch.Select(static item => item.Message)]);
            return consume(batch);
        });

    /// <summary>The number is also that of the order in which it came.</summary>
    private Task<Outcome> AddAsync(Batcher<int> batcher, int number)
    {
        var slot = new InFlight { Sequence = number };
        slot.Context.Time = _time;
        slot.Context.Services = _services;
        return batcher.AddAsync(number, slot.Context).AsTask();
    }
}
