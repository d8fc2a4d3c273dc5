using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Postrider.Micro;

/// <summary>The way of a publish through the Core, to a transport that does nothing.</summary>
public class PublishPath
{
    private const int Many = 100_000;
    private static readonly PublishOptions Options = new() { CorrelationId = "0193a1b2-0000-7000-8000-000000000002" };
    private static readonly Order Sample = Order.Sample;
    private ServiceProvider _services = null!;
    private IMessageBus _bus = null!;

    /// <summary>"json" is what users have; "none" leaves the framework's own part.</summary>
    [Params("none", "json")]
    public string Serializer { get; set; } = "";

    /// <summary>Whether the caller has a trace that the message takes along.</summary>
    [Params(false, true)]
    public bool Traced { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        var services = new ServiceCollection();
        services.AddMessaging().UseTransport("null", static _ => new NullTransport())
            .UseSerializer(Serializer == "json" ? new JsonMessageSerializer() : new NoSerializer());
        _services = services.BuildServiceProvider();
        foreach (var hosted in _services.GetServices<IHostedService>())
        {
            await hosted.StartAsync(CancellationToken.None);
        }

        await _services.GetRequiredService<MessagingStatus>().Ready;
        _bus = _services.GetRequiredService<IMessageBus>();
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        foreach (var hosted in _services.GetServices<IHostedService>())
        {
            await hosted.StopAsync(CancellationToken.None);
        }

        await _services.DisposeAsync();
    }

    [Benchmark(OperationsPerInvoke = Many)]
    public async Task PublishAsync()
    {
        using var trace = Traced ? new Activity("bench").SetIdFormat(ActivityIdFormat.W3C).Start() : null;
        for (var i = 0; i < Many; i++)
        {
            await _bus.PublishAsync(Sample, Options);
        }
    }
}
