using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>Spans and metrics as OpenTelemetry's messaging conventions name them, and the trace that goes through the message.</summary>
public sealed class TelemetryTests
{
    [Fact]
    public async Task A_trace_goes_from_the_caller_through_the_message_to_the_handler()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans);
        using var source = new ActivitySource(nameof(A_trace_goes_from_the_caller_through_the_message_to_the_handler));
        var seen = new TaskCompletionSource<(string? Trace, string? Baggage)>();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>("traced", (_, _, _) =>
        {
            seen.TrySetResult((Activity.Current?.TraceId.ToString(), Activity.Current?.GetBaggageItem("tenant")));
            return new(Outcome.Ack);
        }));

        using var caller = source.StartActivity("caller")!;
        caller.SetBaggage("tenant", "blue");
        await host.Bus.PublishAsync(new Ping(1));
        var (trace, baggage) = await seen.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();

        Assert.Equal((caller.TraceId.ToString(), "blue"), (trace, baggage));
        var mine = spans.Where(span => span.TraceId == caller.TraceId).ToList();
        var publish = Assert.Single(mine, span => span.OperationName == "publish tests.ping");
        var process = Assert.Single(mine, span => span.OperationName == "process traced");
        Assert.Equal((ActivityKind.Producer, caller.SpanId), (publish.Kind, publish.ParentSpanId));
        Assert.Equal((ActivityKind.Consumer, publish.SpanId), (process.Kind, process.ParentSpanId));
        Assert.Equal(publish.SpanId, Assert.Single(process.Links).Context.SpanId);
        Assert.Equal("inmemory", process.GetTagItem("messaging.system"));
        Assert.Equal("process", process.GetTagItem("messaging.operation.type"));
    }

    [Fact]
    public async Task Every_delivery_and_publish_is_measured_once_and_failures_as_errors()
    {
        var counts = new ConcurrentDictionary<string, long>();
        using var meters = Count(counts);
        var done = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>(
            "measured",
            (_, context, _) =>
            {
                if (context.Attempt == 1)
                {
                    throw new InvalidOperationException("first");
                }

                done.TrySetResult();
                return new(Outcome.Ack);
            },
            o => o with { Topics = ["telemetry.measured"], Retry = RetryPolicy.Immediate }));

        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "telemetry.measured" });
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();

        Assert.Equal(1, counts["messaging.client.sent.messages telemetry.measured"]);
        Assert.Equal(1, counts["messaging.client.operation.duration telemetry.measured"]);
        Assert.Equal(1, counts["messaging.client.consumed.messages measured"]);
        Assert.Equal(1, counts["messaging.client.consumed.messages measured System.InvalidOperationException"]);
        Assert.Equal(1, counts["messaging.process.duration measured"]);
        Assert.Equal(1, counts["postrider.retries measured"]);
    }

    [Fact]
    public async Task Registered_twice_a_message_is_still_one_and_so_it_is_with_two_hosts_in_a_process()
    {
        var (counts, spans) = (new ConcurrentDictionary<string, long>(), new ConcurrentQueue<Activity>());
        using var meters = Count(counts);
        using var listener = Listen(spans);
        var (broker, done) = (new InMemoryBroker(), new SemaphoreSlim(0));
        await using var first = await StartAsync("twice.first");
        await using var second = await StartAsync("twice.second");

        await first.Bus.SendAsync("twice.first", new Ping(1));
        await second.Bus.SendAsync("twice.second", new Ping(2));
        await first.Bus.SendAsync("twice.second", new Ping(3));
        for (var i = 0; i < 3; i++)
        {
            Assert.True(await done.WaitAsync(TimeSpan.FromSeconds(10)));
        }

        await first.StopAsync();
        await second.StopAsync();

        Assert.Equal((1, 2), (counts["messaging.client.sent.messages twice.first"], counts["messaging.client.sent.messages twice.second"]));
        Assert.Equal((1, 2), (counts["messaging.client.consumed.messages twice.first"], counts["messaging.client.consumed.messages twice.second"]));
        Assert.Equal((1, 2), (counts["messaging.process.duration twice.first"], counts["messaging.process.duration twice.second"]));
        Assert.Equal(
            ["process twice.first", "process twice.second", "process twice.second", "send twice.first", "send twice.second", "send twice.second"],
            spans.Select(static span => span.OperationName).Where(static name => name.Contains("twice.", StringComparison.Ordinal)).Order());

        Task<TestHost> StartAsync(string queue) => TestHost.StartAsync(messaging => messaging.Services.AddMessaging()
            .UseInMemory(broker)
            .UseCorrelationIds().UseCorrelationIds()
            .UseLogging().UseLogging()
            .AddConsumer<Ping>(queue, (_, _, _) =>
            {
                done.Release();
                return new(Outcome.Ack);
            }));
    }

    private static MeterListener Count(ConcurrentDictionary<string, long> counts)
    {
        var meters = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Postrider")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Count(instrument, value, tags));
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Count(instrument, 1, tags));
        meters.Start();
        return meters;

        void Count(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string? destination = null, error = null;
            foreach (var (key, tag) in tags)
            {
                destination = key == "messaging.destination.name" ? (string?)tag : destination;
                error = key == "error.type" ? " " + tag : error;
            }

            counts.AddOrUpdate($"{instrument.Name} {destination}{error}", value, (_, before) => before + value);
        }
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> spans)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
