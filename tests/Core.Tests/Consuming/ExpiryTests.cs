using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Expiry on a clock that is moved by hand: to the instant, and counted.</summary>
public sealed class ExpiryTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(999, true)]
    [InlineData(1000, false)]
    public async Task A_message_is_of_use_until_its_last_instant(int after, bool handled)
    {
        var broker = new InMemoryBroker(_time);
        var runs = 0;
        var others = new TaskCompletionSource();
        await using var publisher = await HostOn(broker, messaging => messaging.AddConsumer<Pong>("other", static (_, _, _) => new(Outcome.Ack)));
        await using (await HostOn(broker, Consume))
        {
        }

        await publisher.Bus.SendAsync("q", new Ping(1), new() { TimeToLive = TimeSpan.FromSeconds(1) });
        _time.Advance(TimeSpan.FromMilliseconds(after));
        await publisher.Bus.SendAsync("q", new Ping(2));
        await using var host = await HostOn(broker, Consume);

        await others.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(handled ? 1 : 0, runs);

        void Consume(MessagingBuilder messaging) => messaging.AddConsumer<Ping>(
            "q",
            (ping, _, _) =>
            {
                if (ping.Number == 2)
                {
                    others.TrySetResult();
                }
                else
                {
                    runs++;
                }

                return new(Outcome.Ack);
            },
            static options => options with { Concurrency = 1 });
    }

    [Fact]
    public async Task What_is_discarded_is_counted()
    {
        var counts = new List<string>();
        using var meters = new MeterListener();
        meters.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "Postrider", Name: "postrider.discarded" or "postrider.dead_lettered" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        var counted = new TaskCompletionSource();
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            foreach (var (key, tag) in tags)
            {
                if (key == "messaging.destination.name" && (string?)tag == "discards")
                {
                    counts.Add($"{instrument.Name} {value}");
                    counted.TrySetResult();
                }
            }
        });
        meters.Start();
        var broker = new InMemoryBroker(_time);
        await using (var first = await HostOn(broker, Consume))
        {
        }

        await using var publisher = await HostOn(broker, static _ => { });
        await publisher.Bus.SendAsync("discards", new Ping(1), new() { TimeToLive = TimeSpan.FromSeconds(1) });
        _time.Advance(TimeSpan.FromSeconds(2));
        await using var host = await HostOn(broker, Consume);

        await counted.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();
        Assert.Equal(["postrider.discarded 1"], counts);

        static void Consume(MessagingBuilder messaging) => messaging.AddConsumer<Ping>(
            "discards", static (_, _, _) => throw new InvalidOperationException("never"), static options => options with { OnExpired = ExpiredMessage.Discard });
    }

    private Task<TestHost> HostOn(InMemoryBroker broker, Action<MessagingBuilder> register) => TestHost.StartAsync(
        messaging =>
        {
            messaging.UseInMemory(broker);
            register(messaging);
        },
        services => services.AddSingleton<TimeProvider>(_time));
}
