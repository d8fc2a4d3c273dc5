using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Postrider.Pooling;

namespace Postrider.Core.Tests.Pooling;

/// <summary>Methods whose state is used again behave as any other async method.</summary>
[SuppressMessage("Reliability", "CA2012", Justification = "What a value task does when it is held or awaited twice is what is tested.")]
public sealed class PooledAsyncMethodBuilderTests
{
    private static readonly AsyncLocal<string?> Local = new();

    [Fact]
    public async Task A_method_that_ends_at_once_has_its_result_at_once()
    {
        var task = AddAsync(Task.CompletedTask, 1, 2);
        Assert.True(task.IsCompletedSuccessfully);
        Assert.Equal(3, await task);

        var nothing = NothingAsync(Task.CompletedTask);
        Assert.True(nothing.IsCompletedSuccessfully);
        await nothing;
    }

    [Fact]
    public async Task A_method_that_waits_has_it_later()
    {
        var gate = new TaskCompletionSource();
        var (task, nothing) = (AddAsync(gate.Task, 1, 2), NothingAsync(gate.Task));
        Assert.False(task.IsCompleted);
        Assert.False(nothing.IsCompleted);

        gate.SetResult();

        Assert.Equal(3, await task);
        await nothing;
    }

    [Fact]
    public async Task A_method_that_waits_several_times_keeps_its_state()
    {
        var gates = Enumerable.Range(0, 10).Select(_ => new TaskCompletionSource()).ToArray();
        var task = CountAsync(gates);
        foreach (var gate in gates)
        {
            Assert.False(task.IsCompleted);
            gate.SetResult();
        }

        Assert.Equal(gates.Length, await task);
    }

    [Fact]
    public async Task The_result_of_one_that_is_not_done_cannot_be_taken()
    {
        var gate = new TaskCompletionSource();
        var task = AddAsync(gate.Task, 1, 2);

        Assert.Throws<InvalidOperationException>(() => task.GetAwaiter().GetResult());

        // Asking too early broke nothing.
        gate.SetResult();
        Assert.Equal(3, await task);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_exception_reaches_who_awaits(bool beforeTheFirstAwait)
    {
        var gate = new TaskCompletionSource();
        var (task, nothing) = (ThrowAsync(gate.Task, beforeTheFirstAwait), ThrowNothingAsync(gate.Task, beforeTheFirstAwait));
        Assert.Equal((beforeTheFirstAwait, beforeTheFirstAwait), (task.IsFaulted, nothing.IsFaulted));

        gate.SetResult();

        Assert.Equal("thrown", (await Assert.ThrowsAsync<FormatException>(async () => await task)).Message);
        Assert.Equal("thrown", (await Assert.ThrowsAsync<FormatException>(async () => await nothing)).Message);
        // The next to use the same state knows nothing of it.
        Assert.Equal(1, await ThrowAsync(Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System), before: false, really: false));
    }

    [Fact]
    public async Task A_cancellation_is_a_cancellation()
    {
        using var cancel = new CancellationTokenSource();
        var task = AddAsync(Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel.Token), 1, 2);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await task);
    }

    [Fact]
    public async Task Async_locals_flow_into_the_method_and_not_out_of_it()
    {
        var (gate, seen) = (new Gate(), new List<string?>());
        Local.Value = "caller";
        var task = SetLocalAsync(gate, seen);
        Assert.Equal("caller", Local.Value);

        // Who lets it go on has values of its own, and keeps them.
        Local.Value = "opener";
        gate.Open();

        Assert.Equal("opener", Local.Value);
        Assert.Equal("after", await task);
        Assert.Equal("opener", Local.Value);
        Assert.Equal(["caller", "before"], seen);
    }

    [Fact]
    public async Task Async_locals_flow_even_where_the_flow_is_suppressed_afterwards()
    {
        var (gate, seen) = (new Gate(), new List<string?>());
        Local.Value = "caller";
        var task = SetLocalAsync(gate, seen);
        var thread = new Thread(() => gate.Open());
        using (ExecutionContext.SuppressFlow())
        {
            thread.Start();
        }

        thread.Join();
        Assert.Equal("after", await task);
        Assert.Equal(["caller", "before"], seen);
    }

    [Fact]
    public async Task To_await_twice_is_an_error()
    {
        var gate = new Gate();
        var task = WaitAsync(gate, 1);
        gate.Open();
        Assert.Equal(1, await task);

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await task);
        // Also when its state is another call's meanwhile; that one is left alone.
        gate.Close();
        var next = WaitAsync(gate, 2);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await task);
        gate.Open();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await task);
        Assert.Equal(2, await next);
    }

    [Fact]
    public async Task A_thousand_at_once_have_each_its_own_result()
    {
        for (var round = 0; round < 10; round++)
        {
            var gates = Enumerable.Range(0, 1000).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToArray();
            var tasks = gates.Select((gate, i) => AddAsync(gate.Task, i, 1).AsTask()).ToArray();
            Parallel.ForEach(gates.Reverse(), gate => gate.SetResult());

            Assert.Equal(Enumerable.Range(1, 1000), await Task.WhenAll(tasks).WaitAsync(TimeSpan.FromSeconds(20)));
        }
    }

    [Fact]
    public void Steady_use_allocates_nothing()
    {
        var gate = new Gate();
        Use(1000);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Use(10_000);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);

        // Never more at once than a thread keeps.
        void Use(int times)
        {
            for (var i = 0; i < times; i++)
            {
                gate.Close();
                var (task, sum) = (WaitAsync(gate, i), 0);
                gate.Open();
                sum += task.GetAwaiter().GetResult();
                if (sum != i)
                {
                    throw new InvalidOperationException($"{sum} instead of {i}");
                }
            }
        }
    }

    [Fact]
    public void What_was_used_is_kept_for_the_next()
    {
        // One more than a thread keeps for itself: that one is for others.
        for (var round = 0; round < 3; round++)
        {
            var items = Enumerable.Range(0, 33).Select(_ => Pool<Item>.Take() ?? new()).ToArray();
            Assert.Equal(33, items.Distinct().Count());
            Array.ForEach(items, Pool<Item>.Give);
        }

        Item? other = null;
        var thread = new Thread(() => other = Pool<Item>.Take());
        thread.Start();
        thread.Join();
        Assert.NotNull(other);
        var own = Enumerable.Range(0, 33).Select(_ => Pool<Item>.Take()).ToArray();
        Assert.Equal(32, own.OfType<Item>().Distinct().Count());
        Assert.DoesNotContain(other, own);
        Assert.Null(own[32]);
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> AddAsync(Task gate, int a, int b)
    {
        await gate;
        return a + b;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    private static async ValueTask NothingAsync(Task gate) => await gate;

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> CountAsync(TaskCompletionSource[] gates)
    {
        var count = 0;
        foreach (var gate in gates)
        {
            await gate.Task;
            count++;
        }

        return count;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> ThrowAsync(Task gate, bool before, bool really = true)
    {
        if (before)
        {
            throw new FormatException("thrown");
        }

        await gate;
        return really ? throw new FormatException("thrown") : 1;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    private static async ValueTask ThrowNothingAsync(Task gate, bool before)
    {
        if (before)
        {
            throw new FormatException("thrown");
        }

        await gate;
        throw new FormatException("thrown");
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<string?> SetLocalAsync(Gate gate, List<string?> seen)
    {
        seen.Add(Local.Value);
        Local.Value = "before";
        await gate.WaitAsync().ConfigureAwait(false);
        seen.Add(Local.Value);
        Local.Value = "after";
        return Local.Value;
    }

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private static async ValueTask<int> WaitAsync(Gate gate, int result)
    {
        await gate.WaitAsync().ConfigureAwait(false);
        return result;
    }

    private sealed class Item;

    /// <summary>Used again and again; who waits goes on within <see cref="Open"/>.</summary>
    private sealed class Gate : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _open;

        public ValueTask WaitAsync() => new(this, _open.Version);

        public void Open() => _open.SetResult(true);

        public void Close() => _open.Reset();

        void IValueTaskSource.GetResult(short token) => _open.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _open.GetStatus(token);

        void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _open.OnCompleted(continuation, state, token, flags);
    }
}
