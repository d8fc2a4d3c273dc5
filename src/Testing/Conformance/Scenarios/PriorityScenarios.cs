using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Queues with priorities: what is urgent goes first, of what waits when a receiver asks.</summary>
public abstract class PriorityScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    private const int Strict = 0;
    private const int Backlog = 20;

    [Scenario(Fault.IgnoresPriorities, Fault.SharesStrictQueues)]
    public async Task Higher_levels_go_first_and_each_keeps_its_order()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        int?[] mixed = [4, 0, 9, null, 1, 5, 9, 8, 4, 0, null, 9, 2, 3, 6, 7];
        var sent = Levels([.. mixed, .. Enumerable.Repeat<int?>(9, 12)]);
        await SendAsync(transport, queue, sent);

        var taken = await TakeAsync(await OpenAsync(transport, queue, lowerOneIn: Strict), sent.Length);

        Assert.Equal(sent.OrderByDescending(Priorities.LevelOf).Select(static one => one.Id), taken.Select(static one => one.Envelope.Id));
        Assert.Equal(sent.OrderByDescending(Priorities.LevelOf).Select(static one => one.Priority), taken.Select(static one => one.Envelope.Priority));
    }

    [Scenario(Fault.IgnoresPriorities, Fault.StarvesLowerLevels)]
    public async Task While_lower_levels_wait_they_get_their_share_and_take_turns()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var sent = Levels([.. Enumerable.Repeat<int?>(9, 15), .. Enumerable.Repeat<int?>(6, 3), .. Enumerable.Repeat<int?>(null, 3), .. Enumerable.Repeat<int?>(0, 3)]);
        await SendAsync(transport, queue, sent);
        var receiver = await OpenAsync(transport, queue, prefetch: 1, lowerOneIn: 3);
        var taken = new List<Envelope>();
        while (taken.Count < 15)
        {
            taken.Add((await DrainAsync(receiver, 1))[0].Envelope);
        }

        for (var i = 0; i + 3 <= taken.Count; i++)
        {
            Assert.Contains(taken[i..(i + 3)], static one => one.Priority != 9);
        }

        Assert.True(taken.Count(static one => one.Priority == 9) > taken.Count / 2, "The highest level waits for lower ones.");
        Assert.Equal([9, 6, 4, 0], taken.Select(Priorities.LevelOf).Distinct().OrderDescending());
        Assert.All(taken.GroupBy(Priorities.LevelOf), level =>
            Assert.Equal(sent.Where(one => Priorities.LevelOf(one) == level.Key).Take(level.Count()).Select(static one => one.Id), level.Select(static one => one.Id)));
    }

    [Scenario(Fault.InventsPriorities)]
    public async Task A_queue_without_priorities_keeps_its_order()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var sent = Levels(4, 0, 9, null, 5);
        await SendAsync(transport, queue, sent);

        var taken = await TakeAsync(await OpenAsync(transport, queue), sent.Length);

        Assert.Equal(sent.Select(static one => (one.Id, one.Priority)), taken.Select(static one => (one.Envelope.Id, one.Envelope.Priority)));
    }

    [Scenario(Fault.IgnoresPriorities, Fault.InventsPriorities)]
    public async Task A_topic_reaches_queues_with_and_without_priorities()
    {
        var topic = NewName();
        var (transport, queue) = await StartWithPrioritiesAsync(topic, $"{topic}.#");
        var plain = await QueueAsync(transport, topic);
        var sent = Levels(0, 9, null, 2);
        await StoreAsync(transport, [.. sent.Select(one => On(topic, one))]);

        var byLevel = await OpenAsync(transport, queue, lowerOneIn: Strict);
        var inOrder = await OpenAsync(transport, plain);

        Assert.Equal([9, null, 2, 0], (await DrainAsync(byLevel, 4)).Select(static one => one.Envelope.Priority));
        Assert.Equal([0, 9, null, 2], (await DrainAsync(inOrder, 4)).Select(static one => one.Envelope.Priority));
        await NothingComesAsync(byLevel);
        await NothingComesAsync(inOrder);
    }

    [Scenario(Fault.IgnoresPriorities)]
    public async Task Another_process_that_knows_nothing_of_them_has_all_levels()
    {
        var (_, queue) = await StartWithPrioritiesAsync();
        var other = await ConnectAsync();
        await DeclareAsync(other, queue);
        var sent = Levels(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        await SendAsync(other, queue, sent);

        var receiver = await OpenAsync(other, queue, lowerOneIn: Strict);

        Assert.Equal(sent.Reverse().Select(static one => one.Id), (await DrainAsync(receiver, 10)).Select(static one => one.Envelope.Id));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.DeclareEmptiesQueues, Fault.IgnoresPriorities)]
    public async Task A_queue_that_gets_priorities_later_loses_nothing()
    {
        var transport = await ConnectWithPrioritiesAsync();
        var queue = await QueueAsync(transport);
        var early = Levels(0, 9, null);
        await SendAsync(transport, queue, early);

        await GivePrioritiesAsync(transport, queue);
        var late = Levels(0, 9);
        var other = await ConnectAsync();
        await SendAsync(other, queue, late);

        var taken = (await DrainAsync(await OpenAsync(other, queue, lowerOneIn: Strict), 5)).ConvertAll(static one => one.Envelope.Id);
        Assert.Equal(early.Concat(late).Select(static one => one.Id).Order(), taken.Order());
        Assert.True(taken.IndexOf(late[1].Id) < taken.IndexOf(late[0].Id), "It has no priorities.");
    }

    [Scenario(Fault.ReturnForgetsPriority)]
    public async Task A_retry_stays_in_its_level()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var urgent = Levels(9)[0];
        await SendAsync(transport, queue, urgent);
        var receiver = await OpenAsync(transport, queue, prefetch: 2, lowerOneIn: Strict);
        var delivery = await TakeOneAsync(receiver);
        await SendAsync(transport, queue, Messages(Backlog));

        await SettledAsync(receiver, Settlement.Retry(delivery, TimeSpan.Zero));

        // A broker that pushes has pushed others already, and takes a moment for what comes again.
        await OvertakeAsync(receiver, Fixture.Quiet / 2, urgent);
    }

    [Scenario(Fault.DelayForgetsPriority, Fault.ReturnForgetsPriority)]
    public async Task What_was_delayed_comes_into_its_level()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var (published, retried) = (Levels(9)[0], Levels(8)[0]);
        await SendAsync(transport, queue, retried);
        await using (var first = await OpenAsync(transport, queue))
        {
            await SettledAsync(first, Settlement.Retry(await TakeOneAsync(first), Fixture.Delay));
        }

        await SendAsync(transport, queue, Messages(Backlog));
        var delays = transport.Capabilities.DelayedPublish.IsSupported;
        await StoreAsync(transport, To(queue, published, delays ? Fixture.Delay : TimeSpan.Zero));
        var receiver = await OpenAsync(transport, queue, prefetch: 2, lowerOneIn: Strict);
        await Task.Delay(Fixture.Delay, Time, Deadline);

        // What is due may be a bit late.
        await OvertakeAsync(receiver, Fixture.Quiet / 2, published, retried);
    }

    [Scenario(Fault.ReturnForgetsPriority, Fault.LosesReleases)]
    public async Task What_is_handed_back_stays_in_its_level()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var (low, urgent) = (Levels(0)[0], Levels(9)[0]);
        await SendAsync(transport, queue, low, urgent);
        var receiver = await OpenAsync(transport, queue, lowerOneIn: Strict);
        var held = await TakeAsync(receiver, 2);
        await SendAsync(transport, queue, Messages(Backlog));

        await SettledAsync(receiver, [.. held.Select(Settlement.Release)]);
        await Task.Delay(Fixture.Quiet / 2, Time, Deadline);

        // Both are at places where they would not be if they were of the default level: by their age, or as the latest.
        var order = (await TakeAsync(receiver, Backlog + 2)).ConvertAll(static one => one.Envelope.Id);
        Assert.InRange(order.IndexOf(urgent.Id), 0, Backlog / 2);
        Assert.InRange(order.IndexOf(low.Id), Backlog / 2, order.Count);
    }

    [Scenario(Fault.AcksEarly, Fault.ForgetsRedeliveries, Fault.NamesSubQueues)]
    public async Task What_a_crash_leaves_comes_back_from_each_level()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var sent = Levels(0, null, 9);
        await SendAsync(transport, queue, sent);
        var crashing = await OpenAsync(transport, queue, Fixture.Lease);
        await TakeAsync(crashing, 3);
        await crashing.DisposeAsync();

        var again = await TakeAsync(await OpenAsync(await ConnectAsync(), queue), 3);

        Assert.Equal(
            sent.Select(one => (one.Id, one.Priority, queue, 1)).Order(),
            again.Select(static one => (one.Envelope.Id, one.Envelope.Priority, one.Queue, one.Redeliveries)).Order());
    }

    [Scenario(Fault.DeadLetterForgetsPriority, Fault.DropsDeadLetters, Fault.NamesSubQueues)]
    public async Task All_levels_have_one_dead_letter_queue_from_which_they_come_back_into_their_own()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        var sent = Levels(0, null, 9);
        await SendAsync(transport, queue, sent);
        var receiver = await OpenAsync(transport, queue);
        await SettledAsync(receiver, [.. (await TakeAsync(receiver, 3)).Select(static one => Settlement.DeadLetter(one, Reason(one)))]);
        await receiver.DisposeAsync();

        var letters = await DrainAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)), 3);
        Assert.Equal(sent.Select(static one => (one.Id, one.Priority)).Order(), letters.Select(static one => (one.Envelope.Id, one.Envelope.Priority)).Order());
        Assert.All(letters, letter => Assert.Equal((Names.DeadLetterQueue(queue), queue), (letter.Queue, letter.Envelope.DeadLetter!.Queue)));
        await StoreAsync(transport, [.. letters.OrderBy(static one => Priorities.LevelOf(one.Envelope)).Select(one =>
            To(queue, one.Envelope with { DeadLetter = null }) with { DuplicateId = $"replay {one.Envelope.Id}" })]);

        var again = await DrainAsync(await OpenAsync(transport, queue, lowerOneIn: Strict), 3);
        Assert.Equal([9, null, 0], again.Select(static one => one.Envelope.Priority));
    }

    [Scenario(Fault.CountsNothing)]
    public async Task The_depth_is_that_of_all_levels()
    {
        var (transport, queue) = await StartWithPrioritiesAsync();
        await SendAsync(transport, queue, Levels(0, null, 9, 9));

        await DepthIsAsync(transport, queue, static depth => depth is { Total: 4, Ready: 4 or null, Unsettled: 0 or null }, "4 ready");
        await DrainAsync(await OpenAsync(transport, queue), 4);
        await DepthIsAsync(transport, queue, 0);
    }

    /// <summary>They come long before the backlog of the default level is through: a few of that were on their way.</summary>
    private async Task OvertakeAsync(IReceiver receiver, TimeSpan pause, params Envelope[] urgent)
    {
        var expected = urgent.Select(static one => one.Id).ToHashSet();
        for (var others = 0; expected.Count > 0;)
        {
            others += expected.Remove((await DrainAsync(receiver, 1))[0].Envelope.Id) ? 0 : 1;
            Assert.True(others < Backlog / 2, $"{others} messages of a lower level came first.");
            await Task.Delay(pause, Time, Deadline);
        }
    }

    private async Task<(ITransport Transport, string Queue)> StartWithPrioritiesAsync(params string[] patterns)
    {
        var (transport, queue) = (await ConnectWithPrioritiesAsync(), NewName());
        await GivePrioritiesAsync(transport, queue, patterns);
        return (transport, queue);
    }

    private async Task<ITransport> ConnectWithPrioritiesAsync()
    {
        var transport = await ConnectAsync();
        Assert.SkipUnless(transport.Capabilities.Priorities.IsSupported, $"The transport has no priorities: {transport.Capabilities.Priorities.How}");
        return transport;
    }

    private async Task GivePrioritiesAsync(ITransport transport, string queue, params string[] patterns) =>
        await transport.DeclareAsync(new([queue], [.. patterns.Select(pattern => new Binding(pattern, queue))], [queue]), Deadline)
            .AsTask().WaitAsync(Fixture.Patience, Time);

    private static Envelope[] Levels(params int?[] levels) => [.. levels.Select(static level => Message() with { Priority = level })];
}
