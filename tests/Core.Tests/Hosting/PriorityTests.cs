using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

/// <summary>Priorities from a consumer's options to the broker, and from a publish to its handler.</summary>
public sealed class PriorityTests
{
    [Fact]
    public async Task A_transport_without_them_stops_the_host_at_start_and_the_consumer_is_named()
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(static messaging => messaging
            .UseTransport("scripted", static _ => new ScriptedTransport())
            .AddConsumer<Ping>("urgent", static (_, _, _) => new(Outcome.Ack), static o => o with { Priority = new() })));

        Assert.Contains("'urgent:tests.ping'", e.Message, StringComparison.Ordinal);
        Assert.Contains("it has no queues", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(10)]
    public async Task A_level_that_there_is_not_is_refused_when_it_is_published(int level)
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("scripted", _ => transport));

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text", new() { Priority = level }));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Contains($"The priority {level} is not from 0 to 9", e.Message, StringComparison.Ordinal);
        Assert.Empty(transport.Published);
    }

    [Fact]
    public async Task Only_the_queues_that_are_to_have_them_get_them_and_handlers_see_the_level()
    {
        var broker = new InMemoryBroker();
        await using var transport = new InMemoryTransport(broker);
        await using (await StartAsync(broker, static (_, _, _) => new(Outcome.Ack)))
        {
        }

        foreach (var queue in new[] { "urgent", "plain" })
        {
            await transport.PublishAsync(
                new int?[] { 0, null, 9 }.Select(level => new OutgoingMessage(
                    Destination.Queue(queue),
                    new() { Id = $"{level}", Type = "tests.ping", ContentType = "application/json", Body = """{"number":1}"""u8.ToArray(), Priority = level })).ToArray(),
                new PublishResult[3], TestContext.Current.CancellationToken);
        }

        var seen = new List<(string Queue, int Level)>();
        await using var host = await StartAsync(broker, (_, context, _) =>
        {
            lock (seen)
            {
                seen.Add((context.Queue, context.Priority));
            }

            return new(Outcome.Ack);
        });

        await Eventually.IsAsync(() => seen.Count == 6);
        Assert.Equal([9, 4, 0], seen.Where(static one => one.Queue == "urgent").Select(static one => one.Level));
        Assert.Equal([0, 4, 9], seen.Where(static one => one.Queue == "plain").Select(static one => one.Level));
    }

    [Fact]
    public async Task The_configuration_gives_and_changes_them_and_the_description_tells()
    {
        await using var host = TestHost.Configured(
            static messaging => messaging
                .AddConsumer<Ping>("given", static (_, _, _) => new(Outcome.Ack))
                .AddConsumer<Ping>("changed", static (_, _, _) => new(Outcome.Ack), static o => o with { Priority = new() { LowerOneIn = 2 } })
                .AddConsumer<Ping>("code", static (_, _, _) => new(Outcome.Ack), static o => o with { Priority = new() })
                .AddConsumer<Ping>("none", static (_, _, _) => new(Outcome.Ack)),
            ("Transport", "inmemory"), ("Queues:given:Priority:LowerOneIn", "7"), ("Queues:changed:Priority:LowerOneIn", "0"));

        var queues = host.Services.GetRequiredService<MessagingDescription>().ToString().Split('\n').Where(static line => line.StartsWith("  queue ", StringComparison.Ordinal));

        Assert.Equal(
            ["given: one in 7 for lower ones", "changed: strict", "code: one in 10 for lower ones", "none: "],
            queues.Select(static line => $"{line.Split(' ', ':')[3]}: {(line.Split("priorities, ") is [_, var how] ? how.Trim() : "")}"));
    }

    private static Task<TestHost> StartAsync(InMemoryBroker broker, Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume) =>
        TestHost.StartAsync(messaging => messaging.UseInMemory(broker)
            .AddConsumer("urgent", consume, static o => o with { Priority = new() { LowerOneIn = 0 }, Concurrency = 1 })
            .AddConsumer("plain", consume, static o => o with { Concurrency = 1 }));
}
