using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Leases that handlers renew themselves, and why a handler was cancelled.</summary>
public sealed class LeaseTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly FakeTimeProvider _time = new();
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ConsumeContext> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<CancellationCause> _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestHost? _host;

    [Fact]
    public async Task A_handler_that_renews_its_lease_keeps_it_and_one_that_stops_to_loses_it() => await HandleAsync(
        options => options with { RenewLease = false, Lease = TimeSpan.FromSeconds(30) },
        async context =>
        {
            for (var i = 0; i < 3; i++)
            {
                _time.Advance(TimeSpan.FromSeconds(25));
                Assert.True(await context.RenewLeaseAsync(TestContext.Current.CancellationToken));
            }

            Assert.Equal(CancellationCause.None, context.CancelledBy);
            Assert.Equal(CancellationCause.LeaseLost, await AdvanceUntilCancelledAsync());
        });

    [Fact]
    public async Task A_lease_that_renews_itself_outlives_its_time() => await HandleAsync(
        options => options with { Lease = TimeSpan.FromSeconds(30) },
        async context =>
        {
            for (var i = 0; i < 20; i++)
            {
                _time.Advance(TimeSpan.FromSeconds(9));
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken); // the renewer runs beside this
            }

            Assert.Equal(CancellationCause.None, context.CancelledBy);
            Assert.True(await context.RenewLeaseAsync(TestContext.Current.CancellationToken));
        });

    [Fact]
    public async Task The_end_of_the_drain_is_a_shutdown() => await HandleAsync(
        static options => options,
        async _ =>
        {
            var stopping = _host!.StopAsync();
            Assert.Equal(CancellationCause.Shutdown, await AdvanceUntilCancelledAsync());
            _end.SetResult();
            await stopping.WaitAsync(Patience);
        });

    [Fact]
    public async Task A_timeout_is_told_from_the_rest() => await HandleAsync(
        static options => options with { Middleware = [HandlerTimeout.Create(TimeSpan.FromSeconds(3))], Retry = RetryPolicy.None },
        async _ =>
        {
            _time.Advance(TimeSpan.FromSeconds(3));
            Assert.Equal(CancellationCause.Timeout, await _cancelled.Task.WaitAsync(Patience));
        });

    private async Task<CancellationCause> AdvanceUntilCancelledAsync()
    {
        await Eventually.IsAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            return _cancelled.Task.IsCompleted;
        });
        return await _cancelled.Task;
    }

    /// <summary>Runs the test while a handler has a message. The clock stands still unless the test moves it, so nothing may be left that waits for it.</summary>
    private async Task HandleAsync(Func<ConsumerOptions, ConsumerOptions> change, Func<ConsumeContext, Task> test)
    {
        _host = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(new InMemoryBroker(_time)).AddConsumer<Ping>("leased", ConsumeAsync, change),
            services => services.AddSingleton<TimeProvider>(_time));
        await using var host = _host;
        try
        {
            await host.Bus.SendAsync("leased", new Ping(1));
            await test(await _begun.Task.WaitAsync(Patience));
        }
        finally
        {
            _end.TrySetResult();
        }
    }

    private async ValueTask<Outcome> ConsumeAsync(Ping message, ConsumeContext context, CancellationToken token)
    {
        _begun.TrySetResult(context);
        await _end.Task.WaitAsync(token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (token.IsCancellationRequested)
        {
            _cancelled.TrySetResult(context.CancelledBy);
        }

        token.ThrowIfCancellationRequested();
        return Outcome.Ack;
    }
}
