namespace Postrider.Throughput.Scenarios;

/// <summary>Every scenario, in the order of the report.</summary>
internal static class Suite
{
    private static readonly TimeSpan FiveMilliseconds = TimeSpan.FromMilliseconds(5);

    public static readonly IReadOnlyList<Scenario> All =
    [
        new PublishOne { IsGate = true, IsLatency = true },
        new Publish("publish-1000", "Publish with 1,000 in flight") { IsGate = true },
        new Consume("consume-1", "Consume a backlog, one handler at a time", new() { Concurrency = 1 }) { IsGate = true },
        new Consume("consume-16", "Consume a backlog, 16 handlers at once", new()) { IsGate = true },
        new Both("both-1", "Publish and consume at once, one handler at a time", new() { Concurrency = 1 }) { IsGate = true, OnlyInMemory = true },
        new Both("both-16", "Publish and consume at once, 16 handlers", new()) { IsGate = true },
        new Latency("latency-500", "Latency from publish to handler at 500 messages per second", new(), 500) { IsGate = true, IsLatency = true },

        new Publish("publish-4k", "Publish 4 KiB with 1,000 in flight", bodyBytes: 4096),
        new Publish("publish-64k", "Publish 64 KiB with 1,000 in flight", bodyBytes: 65536),
        new Consume("consume-4k", "Consume 4 KiB, 16 handlers", new() { BodyBytes = 4096 }),
        new Consume("consume-64k", "Consume 64 KiB, 16 handlers", new() { BodyBytes = 65536 }),
        new Both("queues-8", "8 queues at once", new() { Queues = 8, Concurrency = 4 }),
        new Both("queues-64", "64 queues at once", new() { Queues = 64, Concurrency = 4 }),
        new Publish("publishers-4", "4 publishers, each waiting for its confirmation", inFlight: 4),
        new Publish("publishers-16", "16 publishers, each waiting for its confirmation", inFlight: 16),
        new Backlog("backlog-10k", "Backlog of 10,000: consuming an early part of it, 16 handlers", 100),
        new Backlog("backlog-1m", "Backlog of a million: consuming an early part of it, 16 handlers", 1),
        new StartUp(),
        new Idle(),
        new Consume("handlers-1", "Handlers of 5 ms, one at a time", new() { Concurrency = 1, HandlerTime = FiveMilliseconds }),
        new Consume("handlers-16", "Handlers of 5 ms, 16 at once", new() { HandlerTime = FiveMilliseconds }),
        new Consume("handlers-64", "Handlers of 5 ms, 64 at once", new() { Concurrency = 64, HandlerTime = FiveMilliseconds }),
        new Latency("slow-tail", "Latency at 500 messages per second, one handler of fifty taking 200 ms", new() { SlowEvery = 50, SlowTime = TimeSpan.FromMilliseconds(200) }, 500)
        {
            IsLatency = true,
        },
        new Consume("middlewares-5", "Consume a backlog through five middlewares", new() { Middlewares = 5 }),
        new Listened("telemetry", "Publish and consume at once while spans and metrics are listened to", new Both("", "", new())),
        new LatencyUnderLoad { IsLatency = true },
        new ConsumeBesideDelayed(),
        new BesideSnapshot(),
        new Kill(),
        new Soak(),
    ];
}
