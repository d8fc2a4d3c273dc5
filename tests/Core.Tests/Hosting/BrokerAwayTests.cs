using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>What the host does when the broker is not there, or will never be.</summary>
public sealed class BrokerAwayTests
{
    [Fact]
    public async Task The_host_starts_without_the_broker_and_goes_on_when_it_comes()
    {
        var calls = 0;
        var transport = new ScriptedTransport
        {
            OnDeclare = () => ++calls < 3 ? throw new TransportException("away", TransportError.Unavailable) : ValueTask.CompletedTask,
        };
        await using var host = TestHost.Create(m => m.UseTransport("scripted", _ => transport));

        await host.StartAsync();
        await host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(3, calls);
        Assert.Null(host.Status.Error);
        Assert.True(host.Status.IsHealthy);
    }

    [Fact]
    public async Task Who_waits_for_the_broker_is_told_when_the_host_stops_before()
    {
        var away = new TransportException("away", TransportError.Unavailable);
        var transport = new ScriptedTransport { OnDeclare = () => throw away };
        await using var host = TestHost.Create(m => m.UseTransport("scripted", _ => transport).AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack)));
        await host.StartAsync();
        await Eventually.IsAsync(() => host.Status.Error is not null);
        Assert.Equal(QueueState.Starting, host.Status.Queues["ping"]);

        await host.StopAsync();
        Assert.Equal(QueueState.Stopped, host.Status.Queues["ping"]);

        var e = await Assert.ThrowsAsync<TransportException>(() => host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Same(away, e.InnerException);
    }

    [Theory]
    [InlineData(TransportError.CredentialsRefused, 77)]
    [InlineData(TransportError.NotTrusted, 77)]
    [InlineData(TransportError.SchemaMismatch, 78)]
    [InlineData(TransportError.TopologyMismatch, 78)]
    public async Task What_waiting_cannot_mend_stops_the_host_with_its_exit_code(TransportError reason, int exitCode)
    {
        var transport = new ScriptedTransport { OnDeclare = () => throw new TransportException("no", reason) };
        await using var host = TestHost.Create(m => m.UseTransport("scripted", _ => transport).AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack)));

        await host.StartAsync();
        var e = await Assert.ThrowsAsync<TransportException>(() => host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10)));

        Assert.Equal(QueueState.Faulted, host.Status.Queues["ping"]);
        Assert.Equal((reason, exitCode), (e.Reason, e.ExitCode));
        Assert.Equal(exitCode, Environment.ExitCode);
        Environment.ExitCode = 0;
    }

    [Fact]
    public async Task Failing_fast_ends_the_waiting()
    {
        var transport = new ScriptedTransport { OnDeclare = () => throw new TransportException("away", TransportError.Unavailable) };
        await using var host = TestHost.Create(m => m
            .UseTransport("scripted", _ => transport)
            .Configure(o => o with { FailFastAfter = TimeSpan.FromMilliseconds(300) }));

        await host.StartAsync();
        var e = await Assert.ThrowsAsync<TransportException>(() => host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10)));

        Assert.Equal(69, e.ExitCode);
        Environment.ExitCode = 0;
    }

    [Fact]
    public async Task A_fatal_error_gives_up_one_and_the_host_stops_with_the_last()
    {
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var host = TestHost.Configured(
            m => m.AddTransport("one", _ => Refusing(first.Task)).AddTransport("two", _ => Refusing(second.Task)).UseAlso("two"), ("Transport", "one"));
        await host.StartAsync();
        var (one, two) = (host.Status.Transports["one"], host.Status.Transports["two"]);

        second.SetResult();
        await Assert.ThrowsAsync<TransportException>(() => two.Ready.WaitAsync(TimeSpan.FromSeconds(10)));
        var (exitCode, oneIsOver) = (Environment.ExitCode, one.Ready.IsCompleted);
        first.SetResult();
        await Assert.ThrowsAsync<TransportException>(() => one.Ready.WaitAsync(TimeSpan.FromSeconds(10)));
        await Eventually.IsAsync(static () => Environment.ExitCode == 77);
        Environment.ExitCode = 0;
        Assert.NotEqual(77, exitCode);
        Assert.False(oneIsOver);

        static ScriptedTransport Refusing(Task when) => new()
        {
            OnDeclare = async () =>
            {
                await when;
                throw new TransportException("no", TransportError.CredentialsRefused);
            },
        };
    }
}
