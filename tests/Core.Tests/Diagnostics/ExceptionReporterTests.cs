using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>Every exception reaches every reporter, with where it came from, and none of them can break anything.</summary>
public sealed class ExceptionReporterTests
{
    [Fact]
    public async Task Exceptions_of_handlers_reach_all_reporters_whatever_one_of_them_does()
    {
        var (seen, failed) = (new Seen(), 0L);
        using var meters = new MeterListener();
        meters.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Postrider", Name: "postrider.reports.failed" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref failed, value));
        meters.Start();
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .AddExceptionReporter<Throwing>()
                .AddExceptionReporter<Collecting>()
                .AddExceptionReporter<Collecting>()
                .AddConsumer<Ping>(
                    "q", static (_, _, _) => throw new FormatException("bad"), static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 2 } }),
            services => services.AddSingleton(seen));

        await host.Bus.SendAsync("q", new Ping(1), new() { MessageId = "7" });
        await Eventually.IsAsync(() => seen.Count == 2);
        await host.StopAsync();

        Assert.All(seen, static report =>
        {
            Assert.Equal(("handle", "q", "q:tests.ping", "7", "bad"), (report.During, report.Queue, report.Consumer, report.Envelope?.Id, report.Exception.Message));
            Assert.True(report.Envelope!.Body.IsEmpty);
        });
        Assert.Equal([OutcomeKind.Retry, OutcomeKind.DeadLetter], seen.Select(static report => report.Outcome));
        Assert.True(Volatile.Read(ref failed) >= 2);
    }

    [Fact]
    public async Task So_do_those_of_the_background_and_of_OnFailed()
    {
        var (seen, broker) = (new Seen(), new InMemoryBroker());
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .UseInMemory(broker)
                .AddExceptionReporter<Collecting>()
                .AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack))
                .AddConsumer<Pong>(
                    "r", static (_, _, _) => new(Outcome.DeadLetter("no")),
                    static options => options with { OnFailed = static (_, _) => throw new FormatException("callback") }),
            services => services.AddSingleton(seen));

        await host.Bus.SendAsync("r", new Pong(1), new() { MessageId = "8" });
        await Eventually.IsAsync(() => seen.Any(static report => report is { During: "on-failed", Queue: "r", Consumer: "r:tests.pong", Envelope.Id: "8" }));
        broker.DeleteQueue("q");
        await Eventually.IsAsync(() => seen.Any(static report => report is { During: "pump", Queue: "q", Consumer: null, Envelope: null }));
    }

    [Fact]
    public async Task So_do_those_of_connecting()
    {
        var (seen, calls) = (new Seen(), 0);
        var transport = new ScriptedTransport
        {
            OnDeclare = () => throw (calls++ == 0 ? new TransportException("away", TransportError.Unavailable) : new("no", TransportError.CredentialsRefused)),
        };
        await using var host = TestHost.Create(
            messaging => messaging.UseTransport("scripted", _ => transport).AddExceptionReporter<Collecting>(), services => services.AddSingleton(seen));

        await host.StartAsync();
        await Eventually.IsAsync(() => seen.Count == 2);

        Assert.Equal([("connect", null, "away"), ("connect", null, "no")], seen.Select(static report => (report.During, report.Queue, report.Exception.Message)));
        Environment.ExitCode = 0;
    }

    [Fact]
    public async Task And_those_of_renewing_leases()
    {
        var seen = new Seen();
        await using var host = await TestHost.StartAsync(
            static messaging => messaging
                .UseTransport("unrenewable", static services => new Unrenewable(new InMemoryTransport(services.GetRequiredService<InMemoryBroker>())))
                .AddExceptionReporter<Collecting>()
                .AddConsumer<Ping>(
                    "q",
                    static async (_, _, cancellationToken) =>
                    {
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                        return Outcome.Ack;
                    },
                    static options => options with { Lease = TimeSpan.FromMilliseconds(150) }),
            services => services.AddSingleton(seen));

        await host.Bus.SendAsync("q", new Ping(1));

        await Eventually.IsAsync(() => seen.Any(static report => report is { During: "renew", Queue: "q", Exception.Message: "not now" }));
    }

    [Fact]
    public async Task Nobody_waits_for_a_reporter_that_hangs()
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging
            .AddExceptionReporter<Hanging>()
            .AddConsumer<Ping>("q", static (_, _, _) => throw new FormatException("bad"), static options => options with { Retry = RetryPolicy.None })
            .AddConsumer<Pong>("r", static (_, _, _) => new(Outcome.Ack)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        await host.Bus.SendBatchAsync("q", Enumerable.Range(0, 3000).Select(static i => new Ping(i)));
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 3000);

        await host.StopAsync().WaitAsync(TimeSpan.FromSeconds(15));
    }

    private sealed class Seen : ConcurrentQueue<ExceptionReport>;

    private sealed class Collecting(Seen seen) : IExceptionReporter
    {
        public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken)
        {
            seen.Enqueue(report);
            return default;
        }
    }

    private sealed class Throwing : IExceptionReporter
    {
        public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken) => throw new InvalidOperationException("the reporter's own");
    }

    private sealed class Hanging : IExceptionReporter
    {
        public async ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken) =>
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
    }

    private sealed class Unrenewable(ITransport inner) : ITransport
    {
        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            new Receiver(await inner.OpenReceiverAsync(options, cancellationToken));

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private sealed class Receiver(IReceiver inner) : IReceiver, ILeaseRenewal
        {
            public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

            public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken) =>
                inner.SettleAsync(batch, results, cancellationToken);

            public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken) =>
                throw new TransportException("not now", TransportError.Timeout);

            public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
