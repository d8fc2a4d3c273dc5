using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>The broker is killed and comes back: what was confirmed is there, and the same objects go on.</summary>
/// <remarks>Needs <see cref="TransportFixture.StartPrivateBrokerAsync"/>. Never runs side by side with others that kill.</remarks>
[Collection("Scenarios that kill a broker")]
public abstract class OutageScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.ConfirmsEarly)]
    public async Task What_is_stored_survives_a_kill()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        var sent = Messages(500);
        await Task.WhenAll(sent.Chunk(25).Select(batch => SendAsync(transport, queue, batch).AsTask()));
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);

        if (transport.Capabilities.Durability.IsSupported)
        {
            // A publisher that cannot use its connection any more finds that out first.
            await EventuallyAsync(() => OpenAsync(transport, queue));
            AssertSame(sent, await DrainAsync(await OpenAsync(transport, queue), sent.Length));
            return;
        }

        // What is promised then is only that nobody pretends: queue and messages are gone together.
        var other = await ConnectAsync(broker);
        var error = await Assert.ThrowsAsync<TransportException>(async () => await OpenAsync(other, queue));
        Assert.Equal(TransportError.QueueNotFound, error.Reason);
    }

    [Scenario(Fault.HangsOnOutage, Fault.ConfirmsEarly)]
    public async Task Publishing_during_an_outage_ends_in_time_and_says_so()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        await SendAsync(transport, queue, Message());
        await broker.KillAsync(Deadline);

        for (var i = 0; i < 3; i++)
        {
            Assert.All(await PublishAsync(transport, To(queue, Message()), To(queue, Message())), static result =>
            {
                Assert.True(result.Status is PublishStatus.NotSent or PublishStatus.Unknown, $"{result.Status}");
                Assert.NotNull(result.Error);
            });
        }

        await StartAgainAsync(broker);
        await EventuallyAsync(async () =>
        {
            await SendAsync(transport, queue, Message());
            return true;
        });
    }

    [Scenario(Fault.HangsOnOutage)]
    public async Task Opening_and_declaring_during_an_outage_fail_in_time_as_transient()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        await broker.KillAsync(Deadline);

        await TransientAsync(async () => await OpenAsync(transport, queue));
        await TransientAsync(async () => await DeclareAsync(transport, queue));
        var fresh = await ConnectAsync(broker);
        await TransientAsync(async () => await OpenAsync(fresh, queue));

        await StartAgainAsync(broker);
        await EventuallyAsync(() => OpenAsync(transport, queue));
        await EventuallyAsync(() => OpenAsync(fresh, queue));
    }

    [Scenario(Fault.HangsOnOutage, Fault.SleepsThrough)]
    public async Task A_waiting_receiver_goes_on_after_an_outage()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        var receiver = await OpenAsync(transport, queue);
        var waiting = receiver.ReceiveAsync(1, Deadline).AsTask();
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);

        // The wait may go through the outage, or end with it and be begun again.
        while (await Task.WhenAny(waiting, Task.Delay(Fixture.Quiet, Time, Deadline)) == waiting)
        {
            Assert.True(waiting.Exception?.InnerException is TransportException { IsTransient: true }, $"The wait ended: {waiting.Exception}");
            await Task.Delay(Fixture.Quiet / 4, Time, Deadline);
            waiting = receiver.ReceiveAsync(1, Deadline).AsTask();
        }

        // Whatever wakes it has to work on the new connection too.
        var sent = Message();
        await SendAsync(await ConnectAsync(broker), queue, sent);

        var delivery = Assert.Single(await waiting.WaitAsync(Fixture.Patience, Time));
        Assert.Equal(sent.Id, delivery.Envelope.Id);
        await AckAsync(receiver, delivery);
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsDelayed, Fault.DropsRetries)]
    public async Task Delays_and_attempts_survive_a_kill()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        var receiver = await OpenAsync(transport, queue);
        var (retried, delayed) = (Message(), Message());
        await SendAsync(transport, queue, retried);
        var delivery = await TakeOneAsync(receiver);
        var delay = Fixture.Delay * 2;
        var start = Time.GetTimestamp();
        await SettledAsync(receiver, Settlement.Retry(delivery, delay));
        await StoreAsync(transport, To(queue, delayed, delay));
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);

        var other = await EventuallyAsync(() => OpenAsync(transport, queue));
        var first = await EventuallyAsync(() => TakeOneAsync(other));
        Assert.True(Time.GetElapsedTime(start) >= delay, $"It came after {Time.GetElapsedTime(start)}; the delay was {delay}.");
        var second = await TakeOneAsync(other);

        AssertSame([retried, delayed], [first, second]);
        Assert.Equal([1, 2], new[] { first, second }.Select(static one => one.Envelope.Attempt).Order());
    }

    [Scenario(Fault.DropsDeadLetters, Fault.DropsDeadLetterReason)]
    public async Task Dead_letters_survive_a_kill()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        await SendAsync(transport, queue, Message());
        var receiver = await OpenAsync(transport, queue);
        var delivery = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(delivery, Reason(delivery, DeadLetterReason.Exhausted)));
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);

        var dead = await EventuallyAsync(() => OpenAsync(transport, Names.DeadLetterQueue(queue)));

        Assert.Equal(DeadLetterReason.Exhausted, (await EventuallyAsync(() => TakeOneAsync(dead))).Envelope.DeadLetter?.Reason);
    }

    [Scenario(Fault.AcksEarly)]
    public async Task What_was_held_at_a_kill_comes_back_or_can_be_settled()
    {
        var (broker, transport, queue) = await StartBrokerAsync();
        var sent = Messages(50);
        await SendAsync(transport, queue, sent);
        var receiver = await OpenAsync(transport, queue, Fixture.Lease);
        await TakeAsync(receiver, 50);
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);
        await receiver.DisposeAsync();

        var other = await EventuallyAsync(() => OpenAsync(transport, queue));
        var again = new List<Delivery>();
        while (again.Count < 50)
        {
            again.Add(await EventuallyAsync(() => TakeOneAsync(other)));
        }

        AssertSame(sent, again);
        Assert.All(again, one => Assert.Equal(1, one.Envelope.Attempt));
        Assert.All(again, one => Assert.InRange(one.Redeliveries, Fixture.CountsSurviveKills ? 1 : 0, 1));
    }

    [Scenario(Fault.ConfirmsEarly)]
    public async Task Answers_that_nobody_has_read_survive_a_kill()
    {
        var (broker, transport, _) = await StartBrokerAsync();
        Assert.SkipUnless(transport.Capabilities.RequestReply.IsSupported, $"The transport has no requests: {transport.Capabilities.RequestReply.How}");
        var queue = $"postrider.replies.{Guid.NewGuid():N}"[..42];
        var (read, kept) = (Message(), Messages(200));
        await using var first = await OpenRepliesAsync(transport, queue);
        await SendAsync(transport, queue, read);
        Assert.Equal(read.Id, Assert.Single(await first.ReadAsync(Deadline)).Id);
        await Task.WhenAll(kept.Chunk(25).Select(batch => SendAsync(transport, queue, batch).AsTask()));
        await broker.KillAsync(Deadline);
        await StartAgainAsync(broker);
        if (!transport.Capabilities.Durability.IsSupported)
        {
            return;
        }

        // Those that were read may come once more.
        await using var again = await EventuallyAsync(() => OpenRepliesAsync(transport, queue));
        using var patience = After(Fixture.Patience);
        var missing = kept.Select(static one => one.Id).ToHashSet();
        while (missing.Count > 0)
        {
            missing.ExceptWith((await again.ReadAsync(patience.Token)).Select(static one => one.Id));
        }
    }

    private protected async Task<(IBrokerUnderTest Broker, ITransport Transport, string Queue)> StartBrokerAsync()
    {
        var broker = await StartPrivateBrokerAsync();
        var transport = await ConnectAsync(broker);
        return (broker, transport, await QueueAsync(transport));
    }

    /// <summary>After an outage: again while the error is transient, as the Core does.</summary>
    private protected async Task<T> EventuallyAsync<T>(Func<ValueTask<T>> action)
    {
        using var patience = After(Fixture.Patience);
        while (true)
        {
            try
            {
                return await action();
            }
            catch (Exception error) when (!patience.IsCancellationRequested
                && error is TransportException { IsTransient: true } or Xunit.Sdk.AllException)
            {
                await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(50), Time, patience.Token));
            }
        }
    }

    private async ValueTask<IReplyReader> OpenRepliesAsync(ITransport transport, string queue) =>
        await Assert.IsAssignableFrom<IReplyQueues>(transport).OpenReplyQueueAsync(queue, Deadline);

    private static async Task TransientAsync(Func<Task> action)
    {
        var error = await Assert.ThrowsAsync<TransportException>(action);
        Assert.True(error.IsTransient, $"{error.Reason} is not transient.");
    }
}
