using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Declaring queues and bindings: it only adds, and may be done by everybody at any time.</summary>
public abstract class TopologyScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.DeclareEmptiesQueues, Fault.ThrowsOnSecondDeclare)]
    public async Task Declaring_again_keeps_messages_and_bindings()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        var queue = await QueueAsync(transport, topic);
        var sent = Messages(3);
        await StoreAsync(transport, On(topic, sent[0]), To(queue, sent[1]));

        await DeclareAsync(transport, queue, topic);
        await DeclareAsync(await ConnectAsync(), queue, topic);
        await StoreAsync(transport, On(topic, sent[2]));

        var receiver = await OpenAsync(transport, queue);
        AssertSame(sent, await DrainAsync(receiver, 3));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.ThrowsOnSecondDeclare)]
    public async Task Many_may_declare_the_same_at_once()
    {
        var topics = Enumerable.Range(0, 10).Select(static _ => NewName()).ToArray();
        var queues = topics.Select(static _ => NewName()).ToArray();
        var topology = new Topology(queues, [.. queues.Zip(topics, static (queue, topic) => new Binding(topic, queue))]);
        var transports = new List<ITransport>();
        for (var i = 0; i < 6; i++)
        {
            transports.Add(await ConnectAsync());
        }

        await Task.WhenAll(transports.Concat(transports).Select(transport =>
            Task.Run(async () => await transport.DeclareAsync(topology, Deadline)))).WaitAsync(Fixture.Patience, Time);

        var sent = Messages(10);
        await StoreAsync(transports[0], [.. sent.Select((message, i) => On(topics[i], message))]);
        for (var i = 0; i < queues.Length; i++)
        {
            AssertSame([sent[i]], await DrainAsync(await OpenAsync(transports[^1], queues[i]), 1));
        }
    }

    [Scenario(Fault.DeclareForgetsOld, Fault.DeclareEmptiesQueues)]
    public async Task A_new_binding_leaves_the_old_ones()
    {
        var (transport, one, two) = (await ConnectAsync(), NewName(), NewName());
        var queue = await QueueAsync(transport, one);
        var sent = Messages(3);
        await StoreAsync(transport, On(one, sent[0]));

        await DeclareAsync(await ConnectAsync(), queue, two);
        await StoreAsync(transport, On(one, sent[1]), On(two, sent[2]));

        AssertSame(sent, await DrainAsync(await OpenAsync(transport, queue), 3));
    }

    [Scenario(Fault.HidesQueues, Fault.ListsDeadLetterQueues)]
    public async Task Queues_are_listed_by_how_their_names_begin_and_nothing_that_is_beside_them()
    {
        var (transport, begins) = (await ConnectAsync(), NewName());
        Assert.SkipUnless(transport is IQueueList, "The transport cannot tell which queues there are.");
        var list = (IQueueList)await ConnectAsync();
        string[] queues = [$"{begins}.a", $"{begins}_b", $"{begins}0"];
        var other = await QueueAsync(transport, NewName());
        await transport.DeclareAsync(
            new(queues, [new("some.topic", queues[0])], transport.Capabilities.Priorities.IsSupported ? [queues[2]] : []), Deadline);
        if (transport.Capabilities.DelayedPublish.IsSupported)
        {
            await StoreAsync(transport, To(queues[1], Message(), LongLease));
        }

        Assert.Equal(queues.Order(StringComparer.Ordinal), (await list.ListQueuesAsync(begins, Deadline)).Order(StringComparer.Ordinal));
        Assert.Equal([queues[1]], await list.ListQueuesAsync($"{begins}_", Deadline));
        Assert.Empty(await list.ListQueuesAsync($"{begins}-", Deadline));
        var all = await list.ListQueuesAsync("", Deadline);
        Assert.Equal([], queues.Append(other).Except(all));
        Assert.All(all, Names.CheckQueue);
        Assert.Equal(all.Count, all.Distinct(StringComparer.Ordinal).Count());
    }

    [Scenario(Fault.DeclareForgetsOld)]
    public async Task Declaring_other_queues_leaves_those_that_are_there()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        var queue = await QueueAsync(transport, topic);
        await QueueAsync(transport, NewName());
        await QueueAsync(await ConnectAsync(), NewName());
        var sent = Message();

        await StoreAsync(transport, On(topic, sent));

        AssertSame([sent], await DrainAsync(await OpenAsync(transport, queue), 1));
    }

    [Scenario(Fault.ReplaysHistory)]
    public async Task A_queue_gets_nothing_from_before_it_was_bound()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        await QueueAsync(transport, topic);
        await StoreAsync(transport, On(topic, Message()));
        var queue = await QueueAsync(transport, topic);
        var sent = Message();
        await StoreAsync(transport, On(topic, sent));

        var receiver = await OpenAsync(transport, queue);

        AssertSame([sent], await DrainAsync(receiver, 1));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.HasNoDeadLetterQueue)]
    public async Task Each_queue_has_an_empty_dead_letter_queue()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);

        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));
    }

    [Scenario(Fault.OpensMissingQueues)]
    public async Task Receiving_from_a_missing_queue_is_an_error_of_its_own()
    {
        var transport = await ConnectAsync();

        var error = await Assert.ThrowsAsync<TransportException>(async () => await OpenAsync(transport, NewName()));

        Assert.Equal(TransportError.QueueNotFound, error.Reason);
        Assert.False(error.IsTransient);
    }

    [Scenario(Fault.MisroutesTopics, Fault.DropsMessages)]
    public async Task The_longest_names_work()
    {
        var transport = await ConnectAsync();
        var queue = NewName().PadRight(Names.MaxQueueLength - 4, 'q') + "-_.9";
        var topic = NewName() + "." + new string('T', 100) + "." + new string('t', Names.MaxTopicLength - 119);
        Assert.Equal((Names.MaxQueueLength, Names.MaxTopicLength), (queue.Length, topic.Length));
        await DeclareAsync(transport, queue, topic);
        // Two long names that differ at their ends only are two names.
        var other = queue[..^1] + "8";
        await DeclareAsync(transport, other, topic[..^1] + "u");
        var sent = Message();

        await StoreAsync(transport, On(topic, sent));

        var receiver = await OpenAsync(transport, queue);
        var delivery = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery)));
        AssertSame([sent], await DrainAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)), 1));
        await NothingComesAsync(await OpenAsync(transport, other));
    }
}
