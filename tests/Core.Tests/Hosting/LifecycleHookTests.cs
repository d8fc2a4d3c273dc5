using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>Hooks are called in order as messaging starts and stops, and can end neither.</summary>
public sealed class LifecycleHookTests : IDisposable
{
    private readonly Calls _calls = new();
    private readonly ListLog _log = new();

    [Fact]
    public async Task They_are_called_in_their_order_at_the_start_and_in_the_reverse_at_the_stop_once()
    {
        var host = await StartAsync(static m => m.AddLifecycleHook<One>().AddLifecycleHook<Two>().AddLifecycleHook<One>()
            .AddConsumer<Ping>("a", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Pong>("b", static (_, _, _) => new(Outcome.Ack))
            .AddBatchConsumer<Ping>("c", static (_, _) => new(Outcome.Ack))
            .AddConsumer<Ping>("free", static (_, _, _) => new(Outcome.Ack))
            .AddPool("both", static p => p with { Queues = ["a", "b"] }).AddPool("batches", static p => p with { Queues = ["c"] }).AddPool("empty"));
        await Eventually.IsAsync(() => _calls.Contains("Two after start"));
        await host.StopAsync();
        await host.DisposeAsync();

        Assert.Equal(["One before start", "Two before start"], _calls.Take(2));
        Assert.Equal(["One begin batches", "One begin both", "Two begin batches", "Two begin both"], _calls.Skip(2).Take(4).Order(StringComparer.Ordinal));
        Assert.Equal(["One after start", "Two after start", "Two before stop", "One before stop"], _calls.Skip(6).Take(4));
        Assert.Equal(["One end batches", "One end both", "Two end batches", "Two end both"], _calls.Skip(10).Take(4).Order(StringComparer.Ordinal));
        Assert.Equal(["Two after stop", "One after stop"], _calls.Skip(14));
        Assert.All(["batches", "both"], pool =>
        {
            Assert.Equal([$"One begin {pool}", $"Two begin {pool}"], _calls.Where(one => one.EndsWith($"begin {pool}", StringComparison.Ordinal)));
            Assert.Equal([$"Two end {pool}", $"One end {pool}"], _calls.Where(one => one.EndsWith($"end {pool}", StringComparison.Ordinal)));
        });
    }

    [Fact]
    public async Task Nothing_is_consumed_before_its_pool_has_begun_and_all_is_drained_before_it_has_ended()
    {
        var (handled, go) = (new SemaphoreSlim(0), new TaskCompletionSource());
        _calls.At["One begin slow"] = () => go.Task;
        await using var host = await StartAsync(m => m.AddLifecycleHook<One>().AddPool("slow", static p => p with { Queues = ["q"] }).AddConsumer<Ping>(
            "q",
            async (_, _, _) =>
            {
                _calls.Enqueue("handling");
                handled.Release();
                await Task.Yield();
                _calls.Enqueue("handled");
                return Outcome.Ack;
            }));
        await host.Bus.SendAsync("q", new Ping(1));
        await Eventually.IsAsync(() => _calls.Contains("One begin slow"));
        Assert.Equal(QueueState.Starting, host.Status.Queues["q"]);

        go.SetResult();
        await handled.WaitAsync();
        await host.StopAsync();

        Assert.Equal(["One before start", "One begin slow", "One after start", "One before stop", "One end slow", "One after stop"], _calls.Where(static one => one.StartsWith("One", StringComparison.Ordinal)));
        Assert.True(_calls.ToList().IndexOf("handled") < _calls.ToList().IndexOf("One end slow"));
        Assert.True(_calls.ToList().IndexOf("handling") > _calls.ToList().IndexOf("One begin slow"));
    }

    [Fact]
    public async Task One_that_throws_or_hangs_is_reported_and_logged_and_ends_neither_the_start_nor_the_stop()
    {
        var reports = new Reports();
        var host = await StartAsync(
            m => m.AddLifecycleHook<Throwing>().AddLifecycleHook<Hanging>().AddLifecycleHook<One>().AddExceptionReporter<Collecting>()
                .Configure(static o => o with { HookTimeout = TimeSpan.FromMilliseconds(100) })
                .AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)),
            services => services.AddSingleton(reports));
        await Eventually.IsAsync(() => host.Status.IsHealthy && _calls.Contains("One after start"));
        await host.StopAsync();

        Assert.Equal(["One before start", "One after start", "One before stop", "One after stop"], _calls);
        Assert.Equal(4, reports.Count(static one => one is { During: "hook", Queue: null, Exception: InvalidOperationException }));
        Assert.Equal(4, reports.Count(static one => one is { During: "hook", Exception: TimeoutException }));
        Assert.Equal(8, _log.Lines.Count(static one => one.Id == 120));
        Assert.Contains(_log.Lines, static one => one.Id == 120 && one.Text.Contains("Hanging failed at BeforeStop", StringComparison.Ordinal));
    }

    [Fact]
    public async Task They_hear_of_what_fails_at_work_and_not_of_hooks()
    {
        await using var host = await StartAsync(static m => m.AddLifecycleHook<Throwing>().AddLifecycleHook<One>().AddConsumer<Ping>(
            "q", static (_, _, _) => throw new FormatException("bad"), static o => o with { Retry = RetryPolicy.None }));
        await host.Bus.SendAsync("q", new Ping(1));
        await Eventually.IsAsync(() => _calls.Any(static one => one.StartsWith("One error", StringComparison.Ordinal)));

        Assert.Equal(["One error handle q bad"], _calls.Where(static one => one.StartsWith("One error", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Without_a_broker_there_is_no_start_to_be_told_of()
    {
        var transport = new ScriptedTransport { OnDeclare = static () => throw new TransportException("away", TransportError.Unavailable) };
        var host = Create(m => m.UseTransport("scripted", _ => transport).AddLifecycleHook<One>().AddPool("default").AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)));
        await host.StartAsync();
        await Eventually.IsAsync(() => host.Status.Error is not null);
        await host.DisposeAsync();

        Assert.Equal(["One before start", "One before stop", "One after stop"], _calls);
    }

    [Fact]
    public async Task A_registration_that_is_wrong_is_refused_before_they_are_called()
    {
        await using var host = Create(static m => m.UseTransport("bare", static _ => new ScriptedTransport()).AddLifecycleHook<One>().AddConsumer<Ping>(
            "q", static (_, _, _) => new(Outcome.Ack), static o => o with { SingleActive = true }));
        await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Empty(_calls);

        await using var never = Create(static m => m.Configure(static o => o with { HookTimeout = TimeSpan.Zero }));
        var refused = await Assert.ThrowsAsync<MessagingConfigurationException>(never.StartAsync);
        Assert.Contains("HookTimeout", refused.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _log.Dispose();

    private TestHost Create(Action<MessagingBuilder> register, Action<IServiceCollection>? add = null) => TestHost.Create(register, services =>
    {
        services.AddSingleton(_calls).AddLogging(logging => logging.AddProvider(_log));
        add?.Invoke(services);
    });

    private async Task<TestHost> StartAsync(Action<MessagingBuilder> register, Action<IServiceCollection>? add = null)
    {
        var host = Create(register, add);
        await host.StartAsync();
        await host.Status.Ready;
        return host;
    }

    private sealed class Calls : ConcurrentQueue<string>
    {
        public Dictionary<string, Func<Task>> At { get; } = [];

        public ValueTask AddAsync(string call)
        {
            Enqueue(call);
            return new(At.GetValueOrDefault(call)?.Invoke() ?? Task.CompletedTask);
        }
    }

    private sealed class One(Calls calls) : Recording("One", calls);

    private sealed class Two(Calls calls) : Recording("Two", calls);

    private abstract class Recording(string name, Calls calls) : ILifecycleHook
    {
        public ValueTask BeforeStartAsync(CancellationToken cancellationToken) => calls.AddAsync($"{name} before start");

        public ValueTask AfterStartAsync(CancellationToken cancellationToken) => calls.AddAsync($"{name} after start");

        public ValueTask BeforeStopAsync(CancellationToken cancellationToken) => calls.AddAsync($"{name} before stop");

        public ValueTask AfterStopAsync(CancellationToken cancellationToken) => calls.AddAsync($"{name} after stop");

        public ValueTask BeforePoolStartAsync(string pool, CancellationToken cancellationToken) => calls.AddAsync($"{name} begin {pool}");

        public ValueTask AfterPoolStopAsync(string pool, CancellationToken cancellationToken) => calls.AddAsync($"{name} end {pool}");

        public ValueTask WorkerErrorAsync(ExceptionReport report, CancellationToken cancellationToken) =>
            calls.AddAsync($"{name} error {report.During} {report.Queue} {report.Exception.Message}");
    }

    private sealed class Throwing : ILifecycleHook
    {
        public ValueTask BeforeStartAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("the hook's own");

        public ValueTask AfterStartAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("the hook's own");

        public ValueTask BeforeStopAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("the hook's own");

        public ValueTask AfterStopAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("the hook's own");

        public ValueTask WorkerErrorAsync(ExceptionReport report, CancellationToken cancellationToken) => throw new InvalidOperationException("the hook's own");
    }

    /// <summary>It does not heed its token.</summary>
    private sealed class Hanging : ILifecycleHook
    {
        private readonly TaskCompletionSource _never = new();

        public ValueTask BeforeStartAsync(CancellationToken cancellationToken) => new(_never.Task);

        public ValueTask AfterStartAsync(CancellationToken cancellationToken) => new(_never.Task);

        public ValueTask BeforeStopAsync(CancellationToken cancellationToken) => new(_never.Task);

        public ValueTask AfterStopAsync(CancellationToken cancellationToken) => new(_never.Task);
    }

    private sealed class Reports : ConcurrentQueue<ExceptionReport>;

    private sealed class Collecting(Reports reports) : IExceptionReporter
    {
        public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken)
        {
            reports.Enqueue(report);
            return default;
        }
    }
}
