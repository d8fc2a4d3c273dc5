using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What comes back when a consumer ends without settling, and how it is counted.</summary>
public abstract class RedeliveryScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.AcksEarly, Fault.ForgetsRedeliveries)]
    public async Task A_receiver_that_ends_without_settling_loses_nothing()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Messages(10));
        var taken = await TakeAsync(receiver, 10);
        await receiver.DisposeAsync();

        var again = await TakeAsync(await OpenAsync(transport, queue), 10);

        AssertSame(taken.Select(static one => one.Envelope.Id), again);
        Assert.All(again, static one => Assert.Equal((1, 1), (one.Envelope.Attempt, one.Redeliveries)));
    }

    [Scenario(Fault.AcksEarly, Fault.ForgetsRedeliveries)]
    public async Task A_connection_that_ends_without_settling_loses_nothing()
    {
        var waiting = await ConnectAsync();
        var queue = await QueueAsync(waiting);
        var crashing = await ConnectAsync();
        await SendAsync(crashing, queue, Messages(10));
        var taken = await TakeAsync(await OpenAsync(crashing, queue, Fixture.Lease), 10);
        var taking = TakeAsync(await OpenAsync(waiting, queue), 10).AsTask();
        await crashing.DisposeAsync();

        var again = await taking;

        AssertSame(taken.Select(static one => one.Envelope.Id), again);
        Assert.All(again, static one => Assert.Equal((1, 1), (one.Envelope.Attempt, one.Redeliveries)));
    }

    [Scenario(Fault.ForgetsRedeliveries, Fault.AcksEarly)]
    public async Task Crashes_are_counted_exactly()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Message());
        for (var crashes = 0; crashes < 4; crashes++)
        {
            await using var receiver = await OpenAsync(transport, queue, Fixture.Lease);
            var delivery = await TakeOneAsync(receiver);
            Assert.Equal((1, crashes), (delivery.Envelope.Attempt, delivery.Redeliveries));
        }
    }

    [Scenario(Fault.LosesAttempt, Fault.ForgetsRedeliveries)]
    public async Task The_attempt_survives_a_crash()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Message());
        await SettledAsync(receiver, Settlement.Retry(await TakeOneAsync(receiver), TimeSpan.Zero));
        await SettledAsync(receiver, Settlement.Retry(await TakeOneAsync(receiver), TimeSpan.Zero));
        Assert.Equal(3, (await TakeOneAsync(receiver)).Envelope.Attempt);
        await receiver.DisposeAsync();

        var again = await TakeOneAsync(await OpenAsync(transport, queue));

        Assert.Equal((3, 1), (again.Envelope.Attempt, again.Redeliveries));
    }

    [Scenario(Fault.AcksEarly, Fault.ForgetsAcks)]
    public async Task Only_what_was_not_settled_comes_back()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Messages(10));
        var taken = await TakeAsync(receiver, 10);
        await AckAsync(receiver, taken[0], taken[4], taken[9]);
        await receiver.DisposeAsync();

        var other = await OpenAsync(transport, queue);

        AssertSame(taken.Where(static (_, i) => i is not (0 or 4 or 9)).Select(static one => one.Envelope.Id), await DrainAsync(other, 7));
        await NothingComesAsync(other);
    }

    [Scenario(Fault.ReleaseForgetsRedeliveries)]
    public async Task A_release_keeps_the_redeliveries_counted_before()
    {
        var (transport, queue, crashing) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Message());
        await TakeOneAsync(crashing);
        await crashing.DisposeAsync();
        var receiver = await OpenAsync(transport, queue);
        var delivery = await TakeOneAsync(receiver);
        Assert.Equal(1, delivery.Redeliveries);

        await SettledAsync(receiver, Settlement.Release(delivery));

        Assert.InRange((await TakeOneAsync(receiver)).Redeliveries, 1, transport.Capabilities.UncountedRelease.IsSupported ? 1 : 2);
    }

    [Scenario(Fault.CountsReleases, Fault.ReleaseForgetsRedeliveries, Fault.LosesReleases)]
    public async Task A_suspect_that_is_handed_back_is_not_counted()
    {
        var (transport, queue) = await SuspectAsync();
        var receiver = await OpenAsync(transport, queue);
        for (var round = 0; round < 4; round++)
        {
            var suspect = await TakeOneAsync(receiver);
            Assert.Equal((1, 2, true), (suspect.Envelope.Attempt, suspect.Redeliveries, suspect.IsSuspect));
            await SettledAsync(receiver, Settlement.Release(suspect));
        }

        await DrainAsync(receiver, 1);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.CountsReleases, Fault.LosesReleases)]
    public async Task With_a_suspect_everything_is_handed_back_that_was_not_returned()
    {
        var (transport, queue) = await SuspectAsync();
        var receiver = await OpenAsync(transport, queue, prefetch: 20);
        var suspect = await TakeOneAsync(receiver);
        var others = Messages(10);
        await SendAsync(transport, queue, others);

        await SettledAsync(receiver, Settlement.Release(suspect));

        // Long before any lease is over, and although the first receiver is still open.
        var taken = await DrainAsync(await OpenAsync(await ConnectAsync(), queue), 11);
        Assert.Equal(2, taken.Single(one => one.Envelope.Id == suspect.Envelope.Id).Redeliveries);
        AssertSame(others, taken.Where(one => one.Envelope.Id != suspect.Envelope.Id));
    }

    [Scenario(Fault.HoardsMessages)]
    public async Task With_a_suspect_nothing_is_held_that_was_not_returned()
    {
        var topic = NewName();
        var (transport, queue) = await SuspectAsync(topic);
        // Its last lease is over before the others come, so that they are all there together.
        await using (var first = await OpenAsync(transport, queue))
        {
            await SettledAsync(first, Settlement.Release(await TakeOneAsync(first)));
        }

        var others = Messages(20);
        await StoreAsync(transport, [.. others.Select((one, i) => i % 2 == 0 ? To(queue, one) : On(topic, one))]);
        var receiver = await OpenAsync(transport, queue, prefetch: 20);
        var returned = new List<string>();
        for (var (max, isThere) = (8, false); !isThere; max = 1)
        {
            var taken = await receiver.ReceiveAsync(max, Deadline);
            returned.AddRange(taken.Select(static one => one.Envelope.Id));
            isThere = taken.Any(static one => one.IsSuspect);
            await AckAsync(receiver, [.. taken.Where(static one => !one.IsSuspect)]);
        }

        // Although the first receiver is still open, the rest is another's. What was on its way when the first ceased to claim may be counted once.
        var rest = await DrainAsync(await OpenAsync(await ConnectAsync(), queue), 21 - returned.Count);
        AssertSame(others.Where(one => !returned.Contains(one.Id)), rest);
        Assert.All(rest, one => Assert.InRange(one.Redeliveries, 0, transport.Capabilities.UncountedRelease.IsSupported ? 0 : 1));
    }

    [Scenario(Fault.AcksEarly, Fault.RedeliveryForgetsHeaders)]
    public async Task A_redelivery_is_the_same_message()
    {
        var (transport, queue, crashing) = await StartAsync(Fixture.Lease);
        var sent = Message() with { Key = "k", Headers = new Dictionary<string, string> { ["a"] = "ä" }, Body = new byte[] { 0, 255 } };
        await SendAsync(transport, queue, sent);
        await TakeOneAsync(crashing);
        await crashing.DisposeAsync();

        EnvelopeAssert.Same(sent, (await TakeOneAsync(await OpenAsync(transport, queue))).Envelope);
    }

    /// <summary>A queue whose only message was handed out twice without an outcome.</summary>
    private async Task<(ITransport Transport, string Queue)> SuspectAsync(params string[] patterns)
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport, patterns);
        await SendAsync(transport, queue, Message());
        for (var crashes = 0; crashes < 2; crashes++)
        {
            await using var receiver = await OpenAsync(transport, queue, Fixture.Lease);
            await TakeOneAsync(receiver);
        }

        return (transport, queue);
    }
}
