using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

/// <summary>What the scenarios of every transport do not tell of levels in memory.</summary>
public sealed class PriorityTests
{
    [Fact]
    public async Task What_is_there_when_a_queue_gets_priorities_is_sorted_into_them_wherever_it_is()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await SendAsync(bench, "held", 9);
        await SendAsync(bench, "back", 0);
        await SendAsync(bench, "first", 4);
        await SendAsync(bench, "late", 8);
        var held = await Bench.NextAsync(receiver);
        await Bench.SettleAsync(receiver, Settlement.Release(await Bench.NextAsync(receiver)));
        await bench.Transport.DeclareAsync(new([Bench.Queue], [], [Bench.Queue]), Bench.Token);
        await SendAsync(bench, "new", 5);

        await Bench.SettleAsync(receiver, Settlement.Release(held));

        Assert.Equal(["held", "late", "new", "first", "back"], await TakeAllAsync(receiver, 5));
    }

    [Fact]
    public async Task What_comes_back_goes_to_its_place_in_its_level()
    {
        await using var bench = await Bench.StartAsync();
        await bench.Transport.DeclareAsync(new([Bench.Queue], [], [Bench.Queue]), Bench.Token);
        var crashing = await bench.OpenAsync();
        foreach (var (id, level) in new[] { ("a", 9), ("b", 9), ("c", 1), ("d", 1) })
        {
            await SendAsync(bench, id, level);
        }

        await TakeAllAsync(crashing, 4);
        await SendAsync(bench, "e", 9);
        await SendAsync(bench, "f", 1);
        bench.Time.Advance(Bench.Lease);

        Assert.Equal(["a", "b", "e", "c", "d", "f"], await TakeAllAsync(await bench.OpenAsync(), 6));
    }

    [Fact]
    public async Task A_holder_whose_lease_is_over_may_settle_until_another_has_it_and_renewal_takes_it_back_uncounted()
    {
        await using var bench = await Bench.StartAsync();
        await bench.Transport.DeclareAsync(new([Bench.Queue], [], [Bench.Queue]), Bench.Token);
        var slow = await bench.OpenAsync();
        await SendAsync(bench, "1", 9);
        await SendAsync(bench, "2", 9);
        var held = await Bench.Soon(slow.ReceiveAsync(2, Bench.Token));
        bench.Time.Advance(Bench.Lease);
        Assert.Equal("1", (await Bench.NextAsync(await bench.OpenAsync())).Envelope.Id);

        Assert.Equal([SettleStatus.Lost, SettleStatus.Settled], [await Bench.RenewAsync(slow, held[0]), await Bench.RenewAsync(slow, held[1])]);
        await Bench.SettleAsync(slow, Settlement.Release(held[1]));
        Assert.Equal(0, (await Bench.NextAsync(slow)).Redeliveries);
    }

    private static async Task<List<string>> TakeAllAsync(IReceiver receiver, int count)
    {
        var taken = await Bench.Soon(receiver.ReceiveAsync(count, Bench.Token));
        return [.. taken.Select(static one => one.Envelope.Id)];
    }

    private static Task<PublishResult> SendAsync(Bench bench, string id, int level) =>
        bench.PublishAsync(new(Destination.Queue(Bench.Queue), Bench.Message(id) with { Priority = level }));
}
