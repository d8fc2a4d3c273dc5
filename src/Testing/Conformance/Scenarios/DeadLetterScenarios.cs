using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Dead-lettering: the message moves with everything it has, plus the reason, and never gets lost on the way.</summary>
public abstract class DeadLetterScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.DropsDeadLetters, Fault.DeadLetterKeepsOriginal)]
    public async Task A_dead_letter_leaves_its_queue_and_is_in_the_dead_letter_queue_once()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Messages(3));
        var taken = await TakeAsync(receiver, 3);
        await SettledAsync(receiver, [.. taken.Select(one => Settlement.DeadLetter(one, Reason(one)))]);

        var dead = await OpenAsync(transport, Names.DeadLetterQueue(queue));

        AssertSame(taken.Select(static one => one.Envelope.Id), await DrainAsync(dead, 3));
        await NothingComesAsync(dead);
        await NothingComesAsync(receiver, Fixture.Lease + Fixture.Quiet);
    }

    [Scenario(Fault.DropsDeadLetterReason)]
    public async Task Every_detail_of_the_reason_is_kept()
    {
        foreach (var reason in Enum.GetValues<DeadLetterReason>())
        {
            await KeepsAsync(queue => new()
            {
                Reason = reason,
                Description = "Lagerbestand fehlt: 鍵 💌\n\"second line\"",
                ExceptionType = "Shop.OutOfStockException",
                ExceptionMessage = "none left\tof 7",
                StackTrace = "   at Shop.Handler`1.<Handle>d__3() in /src/Handler.cs:line 7\r\n   at …",
                Attempts = 5,
                Redeliveries = 2,
                Queue = queue,
                Topic = "orders.placed",
                At = new(2026, 2, 3, 4, 5, 6, 789, TimeSpan.Zero),
                Host = "host-1",
            });
        }
    }

    [Scenario(Fault.DropsDeadLetterReason)]
    public async Task What_is_not_known_of_the_reason_stays_unknown() =>
        await KeepsAsync(static queue => new() { Reason = DeadLetterReason.Malformed, Queue = queue });

    [Scenario(Fault.TrimsDeadLetterTexts)]
    public async Task The_longest_texts_of_the_reason_are_kept() =>
        await KeepsAsync(static queue => new()
        {
            Reason = DeadLetterReason.NonRetryable,
            Queue = queue,
            Description = new string('d', 1024),
            ExceptionType = "Some.Very." + new string('T', 200),
            ExceptionMessage = new string('ä', 512),
            StackTrace = string.Concat(Enumerable.Repeat("at A.B()\n", 455)),
        });

    [Scenario(Fault.DeadLetterForgetsHeaders, Fault.DeadLetterForgetsMetadata)]
    public async Task A_dead_letter_keeps_body_metadata_and_headers()
    {
        var (transport, topic) = (await ConnectAsync(), $"{NewName()}.x");
        var queue = await QueueAsync(transport, topic);
        var sent = Complete(topic) with
        {
            ContentType = "application/json",
            Body = new byte[] { (byte)'{', 0xFF, 0, (byte)'}' },
            Headers = new Dictionary<string, string> { ["größe"] = "💌", ["x-death"] = "mine", ["reason"] = "mine", ["empty"] = "" },
        };
        await StoreAsync(transport, On(topic, sent));
        var receiver = await OpenAsync(transport, queue);
        await SettledAsync(receiver, Settlement.Retry(await TakeOneAsync(receiver), TimeSpan.Zero));
        var delivery = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery)));

        var dead = await TakeOneAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));

        EnvelopeAssert.Same(sent, dead.Envelope);
        Assert.Equal(2, dead.Envelope.DeadLetter?.Attempts);
    }

    [Scenario(Fault.SharesDeadLetterQueues)]
    public async Task Each_queue_has_its_own_dead_letters()
    {
        var (transport, topic) = (await ConnectAsync(), NewName());
        var (one, two) = (await QueueAsync(transport, topic), await QueueAsync(transport, topic));
        await StoreAsync(transport, On(topic, Message()));
        var receiver = await OpenAsync(transport, one);
        var delivery = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery)));

        Assert.Equal(one, (await TakeOneAsync(await OpenAsync(transport, Names.DeadLetterQueue(one)))).Envelope.DeadLetter?.Queue);
        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(two)));
        await TakeOneAsync(await OpenAsync(transport, two));
    }

    [Scenario(Fault.AcksEarly, Fault.DropsDeadLetterReason, Fault.LosesReleases)]
    public async Task A_dead_letter_queue_is_read_like_any_other()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Message());
        var delivery = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery, DeadLetterReason.Exhausted)));
        var name = Names.DeadLetterQueue(queue);
        var crashing = await OpenAsync(transport, name, Fixture.Lease);
        await TakeOneAsync(crashing);
        await crashing.DisposeAsync();

        var dead = await OpenAsync(transport, name);
        await SettledAsync(dead, Settlement.Release(await TakeOneAsync(dead)));
        var again = await TakeOneAsync(dead);

        Assert.Equal((name, DeadLetterReason.Exhausted), (again.Queue, again.Envelope.DeadLetter?.Reason));
        await AckAsync(dead, again);
        await NothingComesAsync(dead);
    }

    [Scenario(Fault.DropsDeadLettersWhenUnavailable, Fault.FailsWholeSettlement)]
    public async Task While_the_dead_letter_queue_is_away_the_message_stays_and_others_go_on()
    {
        Assert.SkipUnless(Fixture.CanBreakDeadLetterQueue, "The fixture cannot take a dead-letter queue away.");
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        var sent = Messages(3);
        await SendAsync(transport, queue, sent);
        var taken = await TakeAsync(receiver, 3);
        await Fixture.BreakDeadLetterQueueAsync(queue, Deadline);

        var results = await SettleAsync(
            receiver, Settlement.Ack(taken[0]), Settlement.DeadLetter(taken[1], Reason(taken[1])), Settlement.Ack(taken[2]));

        Assert.Equal([SettleStatus.Settled, SettleStatus.Failed, SettleStatus.Settled], results.Select(static one => one.Status));
        Assert.NotNull(results[1].Error);
        // The queue goes on, and the message comes back.
        var fresh = Message();
        await SendAsync(transport, queue, fresh);
        AssertSame([fresh], await DrainAsync(receiver, 1));
        await receiver.DisposeAsync();
        var other = await OpenAsync(transport, queue);
        var again = await TakeOneAsync(other);
        Assert.Equal((taken[1].Envelope.Id, 1), (again.Envelope.Id, again.Envelope.Attempt));
        Assert.Equal(SettleStatus.Failed, Assert.Single(await SettleAsync(other, Settlement.DeadLetter(again, Reason(again)))).Status);

        await Fixture.RestoreDeadLetterQueueAsync(queue, Deadline);

        await SettledAsync(other, Settlement.DeadLetter(again, Reason(again)));
        AssertSame([again.Envelope.Id], await DrainAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)), 1));
        await NothingComesAsync(other);
    }

    private async Task KeepsAsync(Func<string, DeadLetterInfo> info)
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Message());
        await SettledAsync(receiver, Settlement.DeadLetter(await TakeOneAsync(receiver), info(queue)));

        var dead = await TakeOneAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));

        Assert.Equal(info(queue), dead.Envelope.DeadLetter);
    }
}
