using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.DeadLetters;

/// <summary>Looking, replaying and discarding one dead letter at a time, and how they are named.</summary>
public sealed class OneByOneTests
{
    private readonly InMemoryBroker _broker = new();

    [Fact]
    public async Task A_dead_letter_is_replayed_once_and_then_gone()
    {
        await using var host = await WithDeadLettersAsync(2);
        var letters = Of(host);
        var first = await letters.ListAsync("q").FirstAsync();

        Assert.True(await letters.ReplayAsync(first, new() { Queue = "other" }));
        Assert.Equal(1, await letters.CountAsync("q"));
        Assert.Null(await letters.FindAsync("q", first.Position));
        Assert.False(await letters.ReplayAsync(first));
        Assert.False(await letters.DiscardAsync(first));

        Assert.Equal(["1"], await TakeAsync("other", 1));
    }

    [Fact]
    public async Task A_dead_letter_is_found_by_its_position_and_discarded_once()
    {
        await using var host = await WithDeadLettersAsync(2);
        var letters = Of(host);
        var second = (await letters.ListAsync("q").ToListAsync())[1];

        Assert.Equal("2", (await letters.FindAsync("q", second.Position))!.Envelope.Id);
        Assert.True(await letters.DiscardAsync(second));
        Assert.False(await letters.DiscardAsync(second));
        Assert.Equal(["1"], await letters.ListAsync("q").Select(static letter => letter.Envelope.Id).ToListAsync());
    }

    [Fact]
    public async Task What_does_not_fit_is_neither_listed_nor_replayed_nor_discarded_nor_exported()
    {
        await using var host = await WithDeadLettersAsync(3);
        var letters = Of(host);
        var second = new DeadLetterFilter { MessageId = "2" };
        using var file = new MemoryStream();

        Assert.Equal(["2"], await letters.ListAsync("q", second).Select(static letter => letter.Envelope.Id).ToListAsync());
        Assert.Equal(1, await letters.ExportAsync("q", file, second));
        Assert.Equal(1, await letters.ReplayAllAsync("q", second, new() { Queue = "other" }));
        Assert.Equal(1, await letters.DiscardAllAsync("q", new() { MessageId = "3" }));

        Assert.Equal(["1"], await letters.ListAsync("q").Select(static letter => letter.Envelope.Id).ToListAsync());
        Assert.Equal(["2"], await TakeAsync("other", 1));
        file.Position = 0;
        Assert.Equal(1, await letters.ImportAsync("q", file));
        Assert.Equal(["1", "2"], await letters.ListAsync("q").Select(static letter => letter.Envelope.Id).ToListAsync());
    }

    [Fact]
    public async Task A_page_that_is_full_is_not_the_last()
    {
        await using var host = await WithDeadLettersAsync(200);
        var letters = Of(host);

        var all = await letters.ListAsync("q").ToListAsync();

        Assert.Equal(Enumerable.Range(1, 200).Select(static id => $"{id}"), all.Select(static letter => letter.Envelope.Id));
        Assert.Equal(["200"], await letters.ListAsync("q", after: all[198].Position).Select(static letter => letter.Envelope.Id).ToListAsync());
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("@inmemory", "is empty")]
    [InlineData("Not Legal", "is illegal")]
    [InlineData("q.dlq", "kept for dead-letter queues")]
    [InlineData("q@elsewhere", "does not use")]
    public async Task What_names_no_queue_is_refused(string address, string why)
    {
        await using var host = await WithDeadLettersAsync(1);

        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await Of(host).CountAsync(address));

        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_null_is_refused_by_its_name()
    {
        await using var host = await WithDeadLettersAsync(1);
        var letters = Of(host);

        await Assert.ThrowsAsync<ArgumentNullException>("letter", async () => await letters.ReplayAsync(null!));
        await Assert.ThrowsAsync<ArgumentNullException>("letter", async () => await letters.DiscardAsync(null!));
        await Assert.ThrowsAsync<ArgumentNullException>("position", async () => await letters.FindAsync("q", null!));
        await Assert.ThrowsAsync<ArgumentNullException>("output", async () => await letters.ExportAsync("q", null!));
        await Assert.ThrowsAsync<ArgumentNullException>("input", async () => await letters.ImportAsync("q", null!));
    }

    private static IDeadLetters Of(TestHost host) => host.Services.GetRequiredService<IDeadLetters>();

    /// <summary>Named by the numbers from 1 on.</summary>
    private async Task<TestHost> WithDeadLettersAsync(int count)
    {
        await using var transport = new InMemoryTransport(_broker);
        await transport.DeclareAsync(new(["q", "other"], []), CancellationToken.None);
        var dead = Enumerable.Range(1, count).Select(static id => new OutgoingMessage(Destination.Queue("q.dlq"), new() { Id = $"{id}" })).ToArray();
        await transport.PublishAsync(dead, new PublishResult[count], CancellationToken.None);
        return await TestHost.StartAsync(messaging => messaging.UseInMemory(_broker));
    }

    private async Task<IEnumerable<string>> TakeAsync(string queue, int count)
    {
        await using var transport = new InMemoryTransport(_broker);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue }, CancellationToken.None);
        var deliveries = await receiver.ReceiveAsync(count + 1, CancellationToken.None);
        return deliveries.Select(static delivery => delivery.Envelope.Id);
    }
}
