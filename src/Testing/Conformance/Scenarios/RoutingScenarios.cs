using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Topics: which queues get a copy.</summary>
public abstract class RoutingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.SharesOneCopy, Fault.DropsMessages)]
    public async Task Each_group_gets_a_copy_of_its_own()
    {
        var transport = await ConnectAsync();
        var topic = NewTopic();
        string[] queues = [await QueueAsync(transport, topic), await QueueAsync(transport, topic), await QueueAsync(transport, topic)];
        var sent = Messages(20);
        await StoreAsync(transport, [.. sent.Select(message => On(topic, message))]);

        foreach (var queue in queues)
        {
            var receiver = await OpenAsync(transport, queue);
            AssertSame(sent, await DrainAsync(receiver, sent.Length));
            await NothingComesAsync(receiver);
        }
    }

    [Scenario(Fault.SharesOneCopy, Fault.RetriesEverywhere)]
    public async Task What_becomes_of_one_copy_does_not_touch_the_others()
    {
        var transport = await ConnectAsync();
        var topic = NewTopic();
        var (one, two) = (await QueueAsync(transport, topic), await QueueAsync(transport, topic));
        await StoreAsync(transport, On(topic, Message()), On(topic, Message()));
        var receiver = await OpenAsync(transport, one);
        var taken = await TakeAsync(receiver, 2);
        await SettledAsync(receiver, Settlement.Retry(taken[0], TimeSpan.Zero), Settlement.Ack(taken[1]));

        var other = await OpenAsync(transport, two);
        var others = await TakeAsync(other, 2);

        Assert.All(others, static one => Assert.Equal((1, 0), (one.Envelope.Attempt, one.Redeliveries)));
        Assert.Equal(2, (await TakeOneAsync(receiver)).Envelope.Attempt);
        await NothingComesAsync(other);
    }

    [Scenario(Fault.SendsToEverybody)]
    public async Task A_send_goes_to_its_queue_alone()
    {
        var transport = await ConnectAsync();
        var topic = NewName();
        await DeclareAsync(transport, topic, topic);
        var other = await QueueAsync(transport, topic, $"#.{topic}");
        var message = Message();
        await SendAsync(transport, topic, message);

        AssertSame([message], await DrainAsync(await OpenAsync(transport, topic), 1));
        await NothingComesAsync(await OpenAsync(transport, other));
    }

    [Scenario(Fault.StarTakesMany, Fault.MissesPatterns)]
    public async Task A_star_is_exactly_one_word() => await MatchesAsync(
        "*.placed",
        yes: ["orders.placed", "o-1_x.placed"],
        no: ["placed", "orders.eu.placed", "orders.placed.now", "orders.placedx"]);

    [Scenario(Fault.StarTakesMany, Fault.MissesPatterns)]
    public async Task A_star_in_the_middle_and_at_the_end() => await MatchesAsync(
        "orders.*.eu.*",
        yes: ["orders.placed.eu.now", "orders.x.eu.y"],
        no: ["orders.eu.now", "orders.placed.eu", "orders.a.b.eu.c", "orders.placed.us.now"]);

    [Scenario(Fault.HashNeedsAWord, Fault.MissesPatterns)]
    public async Task A_hash_is_zero_or_more_words() => await MatchesAsync(
        "orders.#",
        yes: ["orders", "orders.placed", "orders.placed.eu.now"],
        no: ["ordersx", "xorders.placed", "Orders.placed"]);

    [Scenario(Fault.HashNeedsAWord, Fault.MissesPatterns)]
    public async Task A_hash_in_the_middle_and_at_the_start()
    {
        await MatchesAsync("orders.#.now", yes: ["orders.now", "orders.a.now", "orders.a.b.now"], no: ["orders", "now", "orders.now.x", "orders.nowx"]);
        await MatchesAsync("#.eu", yes: ["eu", "a.eu", "a.b.eu"], no: ["eu.a", "aeu"]);
        await MatchesAsync("#.*.#", yes: ["a", "a.b", "a.b.c"], no: []);
    }

    [Scenario(Fault.DeliversOverlapTwice)]
    public async Task Overlapping_bindings_deliver_once()
    {
        var transport = await ConnectAsync();
        var root = NewName();
        var queue = await QueueAsync(transport, $"{root}.*", $"{root}.#", $"{root}.placed", $"*.{root}", "#." + root);
        var messages = Messages(2);
        await StoreAsync(transport, On($"{root}.placed", messages[0]), On($"x.{root}", messages[1]));

        var receiver = await OpenAsync(transport, queue);

        AssertSame(messages, await DrainAsync(receiver, 2));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.MisroutesTopics, Fault.DropsMessages)]
    public async Task Twenty_topics_do_not_mix()
    {
        var transport = await ConnectAsync();
        var root = NewName();
        var lines = new List<(string Queue, Envelope[] Sent)>();
        for (var i = 0; i < 20; i++)
        {
            lines.Add((await QueueAsync(transport, $"{root}.t{i}"), Messages(10)));
        }

        await Task.WhenAll(lines.Select((line, i) =>
            StoreAsync(transport, [.. line.Sent.Select(message => On($"{root}.t{i}", message))]).AsTask()));

        foreach (var (queue, sent) in lines)
        {
            AssertSame(sent, await DrainAsync(await OpenAsync(transport, queue), sent.Length));
        }
    }

    [Scenario(Fault.DropsMessages, Fault.DuplicatesMessages)]
    public async Task Fifty_queues_are_received_from_at_once()
    {
        var transport = await ConnectAsync();
        var queues = Enumerable.Range(0, 50).Select(static _ => NewName()).ToArray();
        await transport.DeclareAsync(new(queues, []), Deadline);
        var receivers = new List<IReceiver>();
        foreach (var queue in queues)
        {
            receivers.Add(await OpenAsync(transport, queue));
        }

        var taking = receivers.Select(receiver => DrainAsync(receiver, 5).AsTask()).ToArray();
        var sent = queues.ToDictionary(static queue => queue, static _ => Messages(5));
        await StoreAsync(transport, [.. sent.SelectMany(static one => one.Value.Select(message => To(one.Key, message)))]);

        var taken = await Task.WhenAll(taking);
        for (var i = 0; i < queues.Length; i++)
        {
            AssertSame(sent[queues[i]], taken[i]);
            await NothingComesAsync(receivers[i], Fixture.Quiet / 10);
        }
    }

    private async Task MatchesAsync(string pattern, string[] yes, string[] no)
    {
        var transport = await ConnectAsync();
        // A word of the test's own keeps tests apart: behind a pattern that begins with a wildcard, else in front.
        var own = NewName();
        Func<string, string> apart = pattern[0] is '*' or '#' ? name => $"{name}.{own}" : name => $"{own}.{name}";
        var queue = await QueueAsync(transport, apart(pattern));
        // Takes everything, so that nothing is unroutable.
        await QueueAsync(transport, apart("#"));
        var expected = yes.Select(topic => (Topic: apart(topic), Message: Message())).ToArray();
        var others = no.Select(apart).ToArray();
        await StoreAsync(transport, [.. others.Select(topic => On(topic, Message()))]);
        await StoreAsync(transport, [.. expected.Select(one => On(one.Topic, one.Message))]);
        await StoreAsync(transport, [.. others.Select(topic => On(topic, Message()))]);

        var receiver = await OpenAsync(transport, queue);
        var arrived = await DrainAsync(receiver, expected.Length);

        Assert.Equal(expected.Select(static one => one.Topic).Order(), arrived.Select(static one => one.Envelope.Topic!).Order());
        AssertSame(expected.Select(static one => one.Message), arrived);
        await NothingComesAsync(receiver);
    }
}
