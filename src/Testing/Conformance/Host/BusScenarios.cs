using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Publishing as applications do it: receipts, typed errors, delays, and patience while the broker is away.</summary>
[Collection("Scenarios that kill a broker")]
public abstract class BusScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.LiesAboutResults)]
    public async Task A_topic_without_a_queue_is_reported_and_an_error_where_subscribers_are_required()
    {
        var host = await StartHostAsync(static _ => { });
        var topic = $"{NewName()}.nobody";

        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Job(1), new() { Topic = topic })).Status);
        var error = await Assert.ThrowsAsync<PublishException>(async () =>
            await host.Bus.PublishAsync(new Job(1), new() { Topic = topic, RequireSubscribers = true, MessageId = "id" }));

        Assert.Equal((PublishStatus.Unroutable, "id"), (error.Status, error.MessageId));
    }

    [Scenario(Fault.LiesAboutResults)]
    public async Task Sending_to_a_missing_queue_is_an_error()
    {
        var host = await StartHostAsync(static _ => { });

        var error = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync(NewName(), new Job(1)));

        Assert.Equal(PublishStatus.Unroutable, error.Status);
    }

    [Scenario(Fault.DropsMessages, Fault.DeclareForgetsOld)]
    public async Task What_is_published_before_the_topology_is_there_waits_for_it()
    {
        var (queue, topic) = (NewName(), NewName());
        var handled = new Happenings<int>(Time, Fixture.Patience);
        var transport = await ConnectAsync();
        var host = await BeginHostAsync(transport, messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                handled.Add(job.Number);
                return new(Outcome.Ack);
            },
            On(topic)));

        // Not ready, perhaps: nobody has waited.
        var receipt = await host.Bus.PublishAsync(new Job(7), new() { Topic = topic, RequireSubscribers = true });
        await QueueAsync(transport, $"{topic}.other");
        await host.Bus.PublishAsync(new Job(8), new() { Topic = topic, RequireSubscribers = true });

        Assert.Equal(PublishStatus.Stored, receipt.Status);
        Assert.Equal([7, 8], (await handled.ReachAsync(2)).Order());
    }

    [Scenario(Fault.IgnoresDelay, Fault.DropsDelayed)]
    public async Task A_delayed_publish_is_never_handled_early()
    {
        var queue = NewName();
        var handled = new Happenings<long>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, (_, _, _) =>
        {
            handled.Add(Time.GetTimestamp());
            return new(Outcome.Ack);
        }));
        var start = Time.GetTimestamp();

        await host.Bus.SendAsync(queue, new Job(1), new() { Delay = Fixture.Delay });

        Assert.True(Time.GetElapsedTime(start, (await handled.ReachAsync(1))[0]) >= Fixture.Delay);
    }

    [Scenario(Fault.HangsOnOutage, Fault.ConfirmsEarly)]
    public async Task Publishing_waits_for_a_broker_that_is_away_and_consuming_goes_on()
    {
        var (broker, host, queue, handled) = await StartOnBrokerAsync();
        await host.Bus.SendAsync(queue, new Job(1));
        await handled.ReachAsync(1);
        await broker.KillAsync(Deadline);

        var publishing = host.Bus.SendAsync(queue, new Job(2)).AsTask();
        await Assert.ThrowsAsync<TimeoutException>(() => publishing.WaitAsync(Fixture.Quiet, Time));
        await StartAgainAsync(broker);

        // A first try that went unanswered may have been stored; then a broker that finds duplicates calls the next one that.
        Assert.True((await publishing.WaitAsync(Fixture.Patience, Time)).Status is PublishStatus.Stored or PublishStatus.Duplicate);
        await handled.ReachAsync(2);
        Assert.Contains(2, handled.Seen);
    }

    [Scenario(Fault.ConfirmsEarly)]
    public async Task A_publish_that_outlasts_its_time_in_an_outage_is_a_typed_error()
    {
        var (broker, host, queue, handled) = await StartOnBrokerAsync(options => options with { PublishTimeout = Fixture.Quiet * 3 });
        await host.Bus.SendAsync(queue, new Job(1));
        await handled.ReachAsync(1);
        await broker.KillAsync(Deadline);

        var error = await Assert.ThrowsAsync<PublishException>(async () =>
            await host.Bus.SendAsync(queue, new Job(2)).AsTask().WaitAsync(Fixture.Patience, Time));

        Assert.True(error.Status is PublishStatus.NotSent or PublishStatus.Unknown, $"{error.Status}");
        await StartAgainAsync(broker);
    }

    [Scenario(Fault.HangsOnOutage)]
    public async Task A_host_may_start_before_its_broker()
    {
        var broker = await StartPrivateBrokerAsync();
        await broker.KillAsync(Deadline);
        var queue = NewName();
        var handled = new Happenings<int>(Time, Fixture.Patience);
        var host = await BeginHostAsync(await ConnectAsync(broker), messaging => Count(messaging.Configure(OutlastsRestarts), queue, handled));
        var publishing = host.Bus.SendAsync(queue, new Job(7)).AsTask();
        await Assert.ThrowsAsync<TimeoutException>(() => publishing.WaitAsync(Fixture.Quiet * 2, Time));
        Assert.False(host.Status.IsHealthy);

        await StartAgainAsync(broker);

        await publishing.WaitAsync(Fixture.Patience, Time);
        Assert.Equal([7], await handled.ReachAsync(1));
    }

    [Scenario(Fault.ConfirmsEarly)]
    public async Task An_application_whose_broker_is_killed_twice_loses_nothing_that_was_published()
    {
        const int Count = 600;
        var (broker, host, queue, handled) = await StartOnBrokerAsync();
        Assert.SkipUnless(host.IsDurable, "Durability is not claimed; that it is absent is shown elsewhere.");
        var published = new Happenings<int>(Time, Fixture.Patience);
        var publishing = Task.WhenAll(Enumerable.Range(0, 20).Select(share => Task.Run(async () =>
        {
            for (var i = 0; i < Count / 20; i++)
            {
                await host.Bus.SendAsync(queue, new Job((share * Count) + i));
                published.Add((share * Count) + i);
            }
        })));
        foreach (var at in new[] { Count / 3, Count / 2 })
        {
            await published.ReachAsync(at);
            await broker.KillAsync(Deadline);
            await StartAgainAsync(broker);
        }

        await publishing;
        using var patience = After(Fixture.Patience);
        while (published.Seen.Except(handled.Seen).Any() && !patience.IsCancellationRequested)
        {
            await Task.WhenAny(Task.Delay(Fixture.Quiet / 4, Time, patience.Token));
        }

        Assert.Empty(published.Seen.Except(handled.Seen));
        Assert.Equal(Count, published.Seen.Count);
    }

    private async Task<(IBrokerUnderTest Broker, ScenarioHost Host, string Queue, Happenings<int> Handled)> StartOnBrokerAsync(
        Func<MessagingOptions, MessagingOptions>? options = null)
    {
        var broker = await StartPrivateBrokerAsync();
        var queue = NewName();
        var handled = new Happenings<int>(Time, Fixture.Patience);
        var transport = await ConnectAsync(broker);
        var host = await BeginHostAsync(transport, messaging =>
        {
            messaging.Configure(options ?? OutlastsRestarts);
            Count(messaging, queue, handled);
        });
        host.IsDurable = transport.Capabilities.Durability.IsSupported;
        await host.Status.Ready.WaitAsync(Fixture.Patience, Time);
        return (broker, host, queue, handled);
    }

    /// <summary>A broker that was killed comes back in its own time: on a slow machine later than patience lasts.</summary>
    private MessagingOptions OutlastsRestarts(MessagingOptions options) => options with { PublishTimeout = Fixture.Patience * 4 };

    private void Count(MessagingBuilder messaging, string queue, Happenings<int> handled) => messaging.AddConsumer<Job>(
        queue,
        (job, _, _) =>
        {
            handled.Add(job.Number);
            return new(Outcome.Ack);
        },
        options => options with { Lease = Fixture.Lease });
}
