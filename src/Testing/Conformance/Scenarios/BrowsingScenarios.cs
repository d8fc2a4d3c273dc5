using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Looking into queues without taking anything, and flushing them.</summary>
public abstract class BrowsingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.RepeatsPages, Fault.BrowsesByTaking)]
    public async Task Pages_show_each_message_once_in_order_and_change_nothing()
    {
        var (transport, browser) = await ConnectToBrowseAsync();
        var topic = NewName();
        var queue = await QueueAsync(transport, topic, $"{topic}.#");
        var sent = Messages(7);
        for (var i = 0; i < sent.Length; i++)
        {
            await StoreAsync(transport, i % 2 == 0 ? To(queue, sent[i]) : On(i % 4 == 1 ? topic : $"{topic}.x", sent[i]));
        }

        var pages = await AllAsync(browser, queue, 2);
        var again = await AllAsync(browser, queue, 100);

        Assert.Equal(sent.Select(static one => one.Id), pages.Select(static one => one.Envelope.Id));
        Assert.Equal(pages.Select(static one => one.Envelope.Id), again.Select(static one => one.Envelope.Id));
        Assert.All(pages, static one => Assert.Equal((null, false, 0), (one.DueAt, one.IsInHand, one.Redeliveries)));
        Assert.Equal([null, topic, null, $"{topic}.x"], pages.Take(4).Select(static one => one.Envelope.Topic));
        var taken = await TakeAsync(await OpenAsync(transport, queue), sent.Length);
        AssertSame(sent, taken);
        Assert.All(taken, static one => Assert.Equal((1, 0), (one.Envelope.Attempt, one.Redeliveries)));
    }

    [Scenario(Fault.HidesWaiting)]
    public async Task What_is_delayed_in_hand_to_be_tried_again_or_of_another_level_is_shown_as_that()
    {
        var (transport, browser) = await ConnectToBrowseAsync();
        var (queue, topic, began) = (NewName(), NewName(), Time.GetUtcNow());
        await transport.DeclareAsync(
            new([queue], [new(topic, queue)], transport.Capabilities.Priorities.IsSupported ? [queue] : []), Deadline).AsTask().WaitAsync(Fixture.Patience, Time);
        await QueueAsync(transport, topic);
        var (held, retried, delayed, ready, urgent) = (Message("held"), Message("retried"), Message("delayed"), Message("ready"), Message("urgent") with { Priority = 9 });
        await SendAsync(transport, queue, held, retried);
        var receiver = await OpenAsync(transport, queue, prefetch: 2);
        var taken = await TakeAsync(receiver, 2);
        await SettledAsync(receiver, Settlement.Retry(taken.Single(one => one.Envelope.Id == retried.Id), LongLease));
        await StoreAsync(transport, To(queue, delayed, LongLease), On(topic, ready), On(topic, urgent));

        var all = (await AllAsync(browser, queue, 2)).ToDictionary(static one => one.Envelope.Id);

        Assert.Equal([delayed.Id, held.Id, ready.Id, retried.Id, urgent.Id], all.Keys.Order(StringComparer.Ordinal));
        Assert.NotEqual(false, all[held.Id].IsInHand);
        Assert.All(new[] { delayed, retried }, one => Assert.InRange(all[one.Id].DueAt!.Value, began, began + (LongLease * 2)));
        Assert.All(new[] { delayed, retried, ready, urgent }, one => Assert.Equal((false, 0), (all[one.Id].IsInHand, all[one.Id].Redeliveries)));
        Assert.Equal((2, 9), (all[retried.Id].Envelope.Attempt, all[urgent.Id].Envelope.Priority));
        Assert.All(new[] { held, ready, urgent }, one => Assert.Null(all[one.Id].DueAt));
    }

    [Scenario(Fault.ShowsWhatIsGone)]
    public async Task A_position_finds_its_message_until_it_is_gone()
    {
        var (transport, browser) = await ConnectToBrowseAsync();
        var topic = NewTopic();
        var (queue, other) = (await QueueAsync(transport, topic), await QueueAsync(transport, topic));
        var sent = Messages(3);
        await StoreAsync(transport, To(queue, sent[0]), On(topic, sent[1]), To(queue, sent[2]));
        var all = await AllAsync(browser, queue, 100);

        foreach (var one in all)
        {
            var found = await browser.FindAsync(queue, one.Position, Deadline);
            EnvelopeAssert.Same(one.Envelope, found!.Envelope);
            Assert.Equal((one.Position, one.Envelope.Body.Length), (found.Position, found.BodyBytes));
        }

        await DrainAsync(await OpenAsync(transport, queue), 3);
        await DepthIsAsync(transport, queue, 0);
        Assert.Empty(await AllAsync(browser, queue, 100));
        foreach (var one in all)
        {
            Assert.Null(await browser.FindAsync(queue, one.Position, Deadline));
        }

        // The other queue still has what was published to the topic.
        Assert.Equal(sent[1].Id, Assert.Single(await AllAsync(browser, other, 100)).Envelope.Id);
        Assert.Null(await browser.FindAsync(queue, "no position", Deadline));
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(() => browser.ListAsync(NewName(), null, 1, Deadline).AsTask())).Reason);
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(() => browser.FindAsync(NewName(), all[0].Position, Deadline).AsTask())).Reason);
    }

    [Scenario(Fault.FlushesNothing, Fault.FlushesDelayed, Fault.AcksEarly)]
    public async Task A_flush_removes_what_is_ready_and_nothing_that_is_in_hand_or_delayed()
    {
        var (transport, flush) = await ConnectToFlushAsync();
        var queue = await QueueAsync(transport);
        var sent = Messages(6);
        await SendAsync(transport, queue, sent[..2]);
        var receiver = await OpenAsync(transport, queue, prefetch: 2);
        var held = await TakeAsync(receiver, 2);
        await SendAsync(transport, queue, sent[2..5]);
        var delays = transport.Capabilities.DelayedPublish.IsSupported;
        await StoreAsync(transport, [.. delays ? [To(queue, sent[5], LongLease)] : Array.Empty<OutgoingMessage>()]);

        Assert.Equal(3, await flush.FlushAsync(queue, delayed: false, Deadline));

        await DepthIsAsync(transport, queue, delays ? 3 : 2);
        await SettledAsync(receiver, Settlement.Retry(held[0], TimeSpan.Zero), Settlement.Retry(held[1], LongLease));
        var again = await TakeOneAsync(receiver);
        Assert.Equal((held[0].Envelope.Id, 2), (again.Envelope.Id, again.Envelope.Attempt));
        Assert.Equal(delays ? 2 : 1, await flush.FlushAsync(queue, delayed: true, Deadline));
        await AckAsync(receiver, again);
        await DepthIsAsync(transport, queue, 0);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.FlushesAllQueues, Fault.FlushesNothing)]
    public async Task A_flush_of_one_queue_takes_all_its_levels_and_leaves_others_of_the_same_topic_and_its_dead_letters()
    {
        var (transport, flush) = await ConnectToFlushAsync();
        var (queue, topic) = (NewName(), NewTopic());
        await transport.DeclareAsync(
            new([queue], [new(topic, queue)], transport.Capabilities.Priorities.IsSupported ? [queue] : []), Deadline).AsTask().WaitAsync(Fixture.Patience, Time);
        var other = await QueueAsync(transport, topic);
        var dead = Message();
        await SendAsync(transport, queue, dead);
        await using (var receiver = await OpenAsync(transport, queue, prefetch: 1))
        {
            var delivery = await TakeOneAsync(receiver);
            await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery)));
        }

        var sent = Messages(4);
        sent[0] = sent[0] with { Priority = 9 };
        sent[1] = sent[1] with { Priority = 0 };
        await StoreAsync(transport, [.. sent.Select(one => On(topic, one))]);

        Assert.Equal(4, await flush.FlushAsync(queue, delayed: false, Deadline));

        await DepthIsAsync(transport, queue, 0);
        AssertSame(sent, await DrainAsync(await OpenAsync(transport, other), 4));
        await NothingComesAsync(await OpenAsync(transport, queue));
        Assert.Equal(dead.Id, (await TakeOneAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)))).Envelope.Id);
        Assert.Equal(0, await flush.FlushAsync(queue, delayed: true, Deadline));
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(() => flush.FlushAsync(NewName(), true, Deadline).AsTask())).Reason);
    }

    private async Task<(ITransport Transport, IQueueBrowser Browser)> ConnectToBrowseAsync()
    {
        var transport = await ConnectAsync();
        Assert.SkipUnless(transport.Capabilities.Browsing.IsSupported, $"The transport cannot look into queues: {transport.Capabilities.Browsing.How}");
        return (transport, Assert.IsAssignableFrom<IQueueBrowser>(transport));
    }

    private async Task<(ITransport Transport, IQueueFlush Flush)> ConnectToFlushAsync()
    {
        var transport = await ConnectAsync();
        Assert.SkipUnless(transport is IQueueFlush, "The transport cannot flush queues.");
        return (transport, (IQueueFlush)transport);
    }

    private async Task<List<PendingMessage>> AllAsync(IQueueBrowser browser, string queue, int size)
    {
        var all = new List<PendingMessage>();
        while (await browser.ListAsync(queue, all.Count == 0 ? null : all[^1].Position, size, Deadline) is { Count: > 0 } page)
        {
            all.AddRange(page);
            Assert.True(all.Count < 1000, "The pages have no end.");
        }

        return all;
    }
}
