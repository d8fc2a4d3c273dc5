using System.Collections.Frozen;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>The settlement loop alone: from the post to the place in the window that is free again.</summary>
public class Settling
{
    private const int Many = 100_000;
    private readonly PreloadedReceiver _receiver = new();
    private readonly InFlight _slot = new();
    private readonly Delivery _delivery = new Alone();
    private SettlementLoop _loop = null!;
    private Task _running = Task.CompletedTask;

    [GlobalSetup]
    public void Start()
    {
        var queue = new ConsumerQueue
        {
            Name = "bench",
            Concurrency = 16,
            Lease = TimeSpan.FromSeconds(30),
            MaxRedeliveries = 10,
            ByType = FrozenDictionary<string, BuiltConsumer>.Empty,
        };
        var telemetry = new Telemetry(null, TimeProvider.System);
        var reports = new ExceptionReports([], telemetry, TimeProvider.System, NullLogger.Instance);
        _loop = new(
            _receiver, queue, new(new NullTransport()), static _ => { }, new(queue, static _ => { }, new NoScopes(), reports, NullLogger.Instance), telemetry, reports, TimeProvider.System, NullLogger.Instance);
        _running = Task.Run(() => _loop.RunAsync(CancellationToken.None));
    }

    [GlobalCleanup]
    public Task StopAsync()
    {
        _loop.Complete();
        _slot.Dispose();
        return _running;
    }

    [Benchmark(OperationsPerInvoke = Many)]
    public Task SettleAsync()
    {
        var settled = _receiver.RunAsync(Many);
        for (var i = 0; i < Many; i++)
        {
            _loop.Post(_slot, Settlement.Ack(_delivery));
        }

        return settled;
    }

    private sealed class Alone() : Delivery("bench", Order.Envelope(default), 0);
}
