using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Inspection;

/// <summary>What a dashboard asks for and does. How transports look into queues is in the conformance suite.</summary>
public sealed class InspectorTests : IDisposable
{
    private readonly InMemoryBroker _broker = new();
    private readonly ListLog _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task What_waits_comes_in_pages_of_the_size_that_is_wanted()
    {
        await using var host = await StartAsync();
        await PutAsync("one", 250);
        var inspector = Of(host);

        var first = await inspector.PendingAsync("one", null, 150);
        var second = await inspector.PendingAsync("one", first.Next, 150);
        var whole = await inspector.PendingAsync("one", null, 250);

        Assert.Equal(Enumerable.Range(1, 150).Select(static id => $"{id}"), first.Items.Select(static one => one.Envelope.Id));
        Assert.Equal(Enumerable.Range(151, 100).Select(static id => $"{id}"), second.Items.Select(static one => one.Envelope.Id));
        Assert.Equal((first.Items[^1].Position, null), (first.Next, second.Next));
        Assert.Equal((whole.Items[^1].Position, 250), (whole.Next, whole.Items.Count));
        var beyond = await inspector.PendingAsync("one", whole.Next, 1);
        Assert.Equal((0, null), (beyond.Items.Count, beyond.Next));
    }

    [Fact]
    public async Task Of_a_body_the_beginning_is_shown_and_all_of_it_by_its_position()
    {
        await using var host = await StartAsync();
        var body = new byte[IMessagingInspector.PreviewBytes + 1];
        Random.Shared.NextBytes(body);
        await PutAsync("one", new() { Id = "long", Body = body }, new() { Id = "short", Body = body.AsMemory(1) });
        var inspector = Of(host);

        var shown = (await inspector.PendingAsync("one@inmemory")).Items;

        Assert.Equal(body.AsMemory()[..^1], shown[0].Envelope.Body);
        Assert.Equal(body.AsMemory(1), shown[1].Envelope.Body);
        Assert.Equal([body.Length, body.Length - 1], shown.Select(static one => one.BodyBytes));
        var whole = await inspector.FindPendingAsync("one", shown[0].Position);
        Assert.Equal(body, whole!.Envelope.Body);
        Assert.Equal((body.Length, shown[0].Position), (whole.BodyBytes, whole.Position));
        Assert.Null(await inspector.FindPendingAsync("one", "17"));
    }

    [Fact]
    public async Task Dead_letters_of_all_queues_come_page_by_page()
    {
        await using var host = await StartAsync();
        await PutAsync("one.dlq", 3);
        await PutAsync("three.dlq", 3);
        var inspector = Of(host);

        var first = await inspector.FailedAsync(null, null, 2);
        var second = await inspector.FailedAsync(null, first.Next, 2);
        var third = await inspector.FailedAsync(null, second.Next, 2);

        Assert.Equal([("one", "1"), ("one", "2")], first.Items.Select(static one => (one.Queue, one.Envelope.Id)));
        Assert.Equal([("one", "3"), ("three", "1")], second.Items.Select(static one => (one.Queue, one.Envelope.Id)));
        Assert.Equal([("three", "2"), ("three", "3")], third.Items.Select(static one => (one.Queue, one.Envelope.Id)));
        Assert.Null(third.Next);
        Assert.Equal(["1", "2", "3"], (await inspector.FailedAsync("three")).Items.Select(static one => one.Envelope.Id));
        Assert.Equal(["one", "two", "three"], inspector.Queues);
    }

    [Fact]
    public async Task Those_that_are_named_are_retried_or_forgotten_and_what_is_gone_does_not_count()
    {
        await using var host = await StartAsync();
        await PutAsync("one.dlq", 5);
        var inspector = Of(host);
        string[] at = [.. (await inspector.FailedAsync("one")).Items.Select(static one => one.Position)];

        Assert.Equal(2, await inspector.RetryAsync("one", [at[0], at[3], "17"]));
        Assert.Equal(2, await inspector.ForgetAsync("one", [at[0], at[1], at[4]]));

        Assert.Equal(["3"], (await inspector.FailedAsync()).Items.Select(static one => one.Envelope.Id));
        var again = (await inspector.PendingAsync("one")).Items;
        Assert.Equal(["1", "4"], again.Select(static one => one.Envelope.Id));
        Assert.All(again, static one => Assert.Contains(DeadLetter.ReplayedFrom, one.Envelope.Headers.Keys));
        Assert.Equal(0, await inspector.ForgetAsync("one", []));
    }

    [Fact]
    public async Task A_flush_tells_the_log_who_wanted_it_and_what_became_of_it()
    {
        await using var host = await StartAsync();
        await PutAsync("one", 3);
        var inspector = Of(host);

        Assert.Equal(3, await inspector.FlushAsync("one", "ada"));
        await Assert.ThrowsAsync<TransportException>(async () => await inspector.FlushAsync("missing", "bob", delayed: true));

        Assert.Empty((await inspector.PendingAsync("one")).Items);
        var lines = _log.Lines.Where(static line => line.Id is >= 130 and < 140).ToArray();
        Assert.Equal([130, 131], lines.Select(static line => line.Id));
        Assert.Contains($"'one' was flushed by ada (shop on {Environment.MachineName}, process {Environment.ProcessId}): 3 messages", lines[0].Text, StringComparison.Ordinal);
        Assert.Contains("'missing' could not be flushed by bob", lines[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_overview_has_numbers_processes_and_what_is_held_up()
    {
        await using var host = await StartAsync();
        await host.Services.GetRequiredService<IQueueControl>().PauseAsync("two", "repairs");
        // The start does not wait for the state store: the host's entry comes beside it.
        await Eventually.IsAsync(async () => (await Of(host).StatsAsync()).Processes.Count > 0);

        var overview = await Of(host).StatsAsync();

        Assert.Equal(["one", "three", "two"], overview.Stats.Queues.Select(static one => one.Queue));
        Assert.Equal("shop", Assert.Single(overview.Processes).Name);
        Assert.Equal([("one", null), ("three", null), ("two", "repairs")], overview.Paused.Select(static one => (one.Queue, one.Reason)));
        Assert.Empty(overview.OpenCircuits);
    }

    [Fact]
    public async Task Without_a_state_store_and_on_a_transport_that_can_do_nothing_it_says_so()
    {
        await using var host = TestHost.Create(static m => m.UseTransport("scripted", static _ => new ScriptedTransport()));
        var inspector = Of(host);

        var overview = await inspector.StatsAsync();

        Assert.Equal((0, 0, 0), (overview.Processes.Count, overview.Paused.Count, overview.OpenCircuits.Count));
        foreach (var (asked, why) in new (Func<Task>, string)[]
        {
            (async () => await inspector.PendingAsync("q"), "cannot be shown on the transport 'scripted': it has no queues"),
            (async () => await inspector.FindPendingAsync("q", "1"), "cannot be shown on the transport 'scripted': it has no queues"),
            (async () => await inspector.FlushAsync("q", "ada"), "cannot flush"),
        })
        {
            Assert.Contains(why, (await Assert.ThrowsAsync<MessagingConfigurationException>(asked)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("one.dlq")]
    [InlineData("Not Legal")]
    [InlineData("one@elsewhere")]
    public async Task What_names_no_queue_is_refused(string queue)
    {
        await using var host = await StartAsync();
        await PutAsync("one.dlq", 1);
        var inspector = Of(host);

        foreach (var asked in (Func<Task>[])[
            async () => await inspector.PendingAsync(queue),
            async () => await inspector.FindPendingAsync(queue, "1"),
            async () => await inspector.FailedAsync(queue),
            async () => await inspector.RetryAsync(queue, ["1"]),
            async () => await inspector.ForgetAsync(queue, ["1"]),
            async () => await inspector.FlushAsync(queue, "ada")])
        {
            await Assert.ThrowsAsync<MessagingConfigurationException>(asked);
        }

        Assert.Single((await inspector.FailedAsync("one")).Items);
    }

    [Fact]
    public async Task A_page_has_1_to_1000_and_a_flush_has_a_name()
    {
        await using var host = await StartAsync();
        var inspector = Of(host);

        foreach (var size in (int[])[0, IMessagingInspector.LargestPage + 1])
        {
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>("size", async () => await inspector.PendingAsync("one", null, size));
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>("size", async () => await inspector.FailedAsync("one", null, size));
        }

        Assert.Empty((await inspector.PendingAsync("one", null, IMessagingInspector.LargestPage)).Items);
        await Assert.ThrowsAsync<ArgumentException>("by", async () => await inspector.FlushAsync("one", " "));
    }

    private static IMessagingInspector Of(TestHost host) => host.Services.GetRequiredService<IMessagingInspector>();

    /// <summary>Its queues are paused, so that what is put into them waits.</summary>
    private async Task<TestHost> StartAsync()
    {
        var host = TestHost.Create(
            m =>
            {
                m.UseInMemory(_broker).Configure(static options => options with { Application = "shop" });
                foreach (var queue in (string[])["one", "two", "three"])
                {
                    m.AddConsumer<Ping>(queue, static (_, _, _) => new(Outcome.Ack));
                }
            },
            services => services.AddLogging(logging => logging.AddProvider(_log)));
        foreach (var queue in (string[])["one", "three"])
        {
            await host.Services.GetRequiredService<IQueueControl>().PauseAsync(queue);
        }

        await host.StartAsync();
        await host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10));
        return host;
    }

    private Task PutAsync(string queue, int count) => PutAsync(queue, [.. Enumerable.Range(1, count).Select(static id => new Envelope { Id = $"{id}" })]);

    private async Task PutAsync(string queue, params Envelope[] messages)
    {
        await using var transport = new InMemoryTransport(_broker);
        await transport.PublishAsync(
            messages.Select(one => new OutgoingMessage(Destination.Queue(queue), one)).ToArray(), new PublishResult[messages.Length], CancellationToken.None);
    }
}
