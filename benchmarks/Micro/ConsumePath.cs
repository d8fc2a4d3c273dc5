using System.Collections.Frozen;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.Consuming;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.Serialization;

namespace Postrider.Micro;

/// <summary>A message's way from the receiver through the pump to its settlement.</summary>
public class ConsumePath
{
    private const int Many = 200_000;
    private readonly CancellationTokenSource _stop = new();
    private readonly PreloadedReceiver _receiver = new();
    private ServiceProvider _services = null!;
    private ConsumerPump _pump = null!;
    private Task _running = Task.CompletedTask;

    [Params(1, 16)]
    public int Concurrency { get; set; }

    /// <summary>Whether the body is read as JSON.</summary>
    [Params(false, true)]
    public bool Decode { get; set; }

    /// <summary>Whether there is a dependency injection scope with a scoped consumer.</summary>
    [Params(false, true)]
    public bool Scope { get; set; }

    [GlobalSetup]
    public void Start()
    {
        _services = new ServiceCollection().AddScoped<Clerk>().AddScoped<Consumer>().BuildServiceProvider();
        var serializers = new Serializers([new JsonMessageSerializer()], new([]));
        var (decode, scope) = (Decode, Scope);
        ConsumeDelegate chain = context =>
        {
            var order = decode ? serializers.Decode<Order>(context.Envelope) : Order.Sample;
            return scope ? context.Services.GetRequiredService<Consumer>().ConsumeAsync(order) : new(Outcome.Ack);
        };
        var queue = new ConsumerQueue
        {
            Name = "bench",
            Concurrency = Concurrency,
            Lease = TimeSpan.FromSeconds(30),
            MaxRedeliveries = 10,
            ByType = new Dictionary<string, BuiltConsumer> { ["bench.order"] = new("bench", chain, RetryPolicy.Default) }.ToFrozenDictionary(),
        };
        var status = new TransportStatus("null");
        status.Set(queue.Name, QueueState.Receiving);
        var telemetry = new Telemetry(null, TimeProvider.System);
        var reports = new ExceptionReports([], telemetry, TimeProvider.System, NullLogger.Instance);
        var scopes = Scope ? _services.GetRequiredService<IServiceScopeFactory>() : new NoScopes();
        var handler = new DeliveryHandler(
            queue, "null", new(new NullTransport()), int.MaxValue, new([]), new Decoders([]), scopes, telemetry, reports, null, null, TimeProvider.System, NullLogger.Instance);
        _pump = new(
            new NullTransport(), _receiver, queue, handler, null, null, static () => TimeSpan.FromSeconds(1), status, scopes, telemetry, reports, TimeProvider.System, NullLogger.Instance);
        _running = Task.Run(() => _pump.RunAsync(_stop.Token));
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _pump.Dispose();
        await _services.DisposeAsync();
    }

    [Benchmark(OperationsPerInvoke = Many)]
    public Task ConsumeAsync() => _receiver.RunAsync(Many);

    private sealed class Clerk;

    private sealed class Consumer(Clerk clerk)
    {
        public ValueTask<Outcome> ConsumeAsync(Order order) => new(order.Number == 0 && clerk is null ? Outcome.DeadLetter("never") : Outcome.Ack);
    }
}
