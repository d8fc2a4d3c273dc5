using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

/// <summary>What the scenarios of every transport do not tell of duplicates in memory.</summary>
public sealed class DuplicateTests
{
    [Fact]
    public async Task An_id_is_known_for_the_window_from_its_first_publish_and_not_longer()
    {
        await using var bench = await Bench.StartAsync();
        Assert.Equal(PublishStatus.Stored, (await bench.SendAsync("1")).Status);
        bench.Time.Advance(TimeSpan.FromMinutes(2) - TimeSpan.FromTicks(1));
        Assert.Equal(PublishStatus.Duplicate, (await bench.SendAsync("1")).Status);

        bench.Time.Advance(TimeSpan.FromTicks(1));

        Assert.Equal(PublishStatus.Stored, (await bench.SendAsync("1")).Status);
        Assert.Equal(PublishStatus.Duplicate, (await bench.SendAsync("1")).Status);
    }

    [Fact]
    public async Task A_message_that_was_settled_or_is_delayed_is_known_all_the_same()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        await Bench.SettleAsync(receiver, Settlement.Ack(await Bench.NextAsync(receiver)));
        await bench.SendAsync("2", TimeSpan.FromDays(1));

        Assert.Equal(PublishStatus.Duplicate, (await bench.SendAsync("1")).Status);
        Assert.Equal(PublishStatus.Duplicate, (await bench.SendAsync("2")).Status);
        await Bench.NothingThereAsync(receiver);
    }

    [Fact]
    public async Task The_window_may_be_another_or_none()
    {
        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored], await PublishTwiceAsync(TimeSpan.Zero, TimeSpan.Zero));
        Assert.Equal([PublishStatus.Stored, PublishStatus.Duplicate], await PublishTwiceAsync(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(4)));
        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored], await PublishTwiceAsync(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5)));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new InMemoryBroker { DuplicateWindow = TimeSpan.FromTicks(-1) });
        Assert.Throws<ArgumentOutOfRangeException>(static () => new InMemoryBroker { DuplicateWindow = TimeSpan.FromDays(7.1) });
    }

    [Fact]
    public async Task However_many_are_published_only_the_latest_are_remembered()
    {
        await using var bench = await Bench.StartAsync();
        var results = new PublishResult[SeenIds.MostKept + 1];
        await bench.Transport.PublishAsync(
            Enumerable.Range(0, results.Length).Select(static i => new OutgoingMessage(Destination.Queue(Bench.Queue), Bench.Message($"{i}"))).ToArray(), results, Bench.Token);

        Assert.Equal(PublishStatus.Duplicate, (await bench.SendAsync("2")).Status);
        Assert.Equal(PublishStatus.Stored, (await bench.SendAsync("0")).Status);
    }

    [Fact]
    public async Task A_queue_that_was_deleted_and_declared_again_gets_what_could_not_be_stored_meanwhile()
    {
        await using var bench = await Bench.StartAsync();
        bench.Broker.DeleteQueue(Bench.Queue);
        Assert.Equal(PublishStatus.Unroutable, (await bench.SendAsync("1")).Status);
        Assert.Equal(PublishStatus.Unroutable, (await bench.PublishAsync(new(Destination.Topic("orders.x"), Bench.Message("1")))).Status);

        await bench.DeclareAsync([Bench.Queue], [new("orders.#", Bench.Queue)]);

        Assert.Equal(PublishStatus.Stored, (await bench.SendAsync("1")).Status);
        Assert.Equal(PublishStatus.Stored, (await bench.PublishAsync(new(Destination.Topic("orders.x"), Bench.Message("1")))).Status);
    }

    private static async Task<PublishStatus[]> PublishTwiceAsync(TimeSpan window, TimeSpan apart)
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        await using var transport = new InMemoryTransport(new InMemoryBroker(time) { DuplicateWindow = window });
        await transport.DeclareAsync(new(["q"], []), Bench.Token);
        var (message, results) = (new[] { new OutgoingMessage(Destination.Queue("q"), Bench.Message("1")) }, new PublishResult[2]);
        await transport.PublishAsync(message, results.AsMemory(0, 1), Bench.Token);
        time.Advance(apart);
        await transport.PublishAsync(message, results.AsMemory(1, 1), Bench.Token);
        return [.. results.Select(static one => one.Status)];
    }
}
