using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Handling: what a handler gets, how many run at once, and for how long a delivery is theirs.</summary>
public abstract class HandlingScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.ForgetsMetadata, Fault.ForgetsHeaders)]
    public async Task A_handler_gets_the_message_and_its_metadata()
    {
        var (queue, topic) = (NewName(), $"{NewName()}.done");
        var seen = new Happenings<(Job Job, Envelope Envelope, string Queue, int Attempt)>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, context, _) =>
            {
                seen.Add((job, context.Envelope, context.Queue, context.Attempt));
                return new(Outcome.Ack);
            },
            On(topic)));

        var receipt = await host.Bus.PublishAsync(new Job(7, "zwölf"), new()
        {
            Topic = topic,
            MessageId = "id 7",
            Key = "k",
            CorrelationId = "c",
            Headers = new Dictionary<string, string> { ["größe"] = "💌" },
        });

        Assert.Equal(new PublishReceipt("id 7", PublishStatus.Stored), receipt);
        var (job, envelope, from, attempt) = (await seen.ReachAsync(1))[0];
        Assert.Equal((new Job(7, "zwölf"), queue, 1), (job, from, attempt));
        Assert.Equal(("id 7", "conformance.job", topic, "k", "c"), (envelope.Id, envelope.Type, envelope.Topic, envelope.Key, envelope.CorrelationId));
        Assert.Equal("💌", envelope.Headers["größe"]);
    }

    [Scenario(Fault.ForgetsMetadata)]
    public async Task What_a_handler_publishes_belongs_to_the_flow_of_its_message()
    {
        var (first, second) = (NewName(), NewName());
        var seen = new Happenings<(string? Correlation, string? Causation)>(Time, Fixture.Patience);
        IMessageBus? bus = null;
        var host = await StartHostAsync(messaging => messaging
            .AddConsumer<Job>(first, async (job, _, cancellationToken) =>
            {
                // Deep in calls of its own, and without the context at hand.
                await Task.Yield();
                await bus!.SendAsync(second, job, new() { MessageId = $"of {job.Number}" }, cancellationToken);
                return Outcome.Ack;
            })
            .AddConsumer<Job>(second, (_, context, _) =>
            {
                seen.Add((context.CorrelationId, context.CausationId));
                return new(Outcome.Ack);
            }));
        bus = host.Bus;

        await bus.SendAsync(first, new Job(1), new() { MessageId = "1", CorrelationId = "flow" });
        await seen.ReachAsync(1);
        await bus.SendAsync(first, new Job(2), new() { MessageId = "2" });
        await seen.ReachAsync(2);
        await bus.SendAsync(second, new Job(3));

        Assert.Equal([("flow", "1"), ("2", "2"), (null, null)], await seen.ReachAsync(3));
    }

    [Scenario(Fault.DropsMessages)]
    public async Task Handlers_that_hang_do_not_slow_the_others_down()
    {
        const int Count = 200;
        var queue = NewName();
        var (hung, handled) = (new Happenings<int>(Time, Fixture.Patience), new Happenings<int>(Time, Fixture.Patience));
        var end = new TaskCompletionSource();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (job, _, _) =>
            {
                if (job.Number < 2)
                {
                    hung.Add(job.Number);
                    await end.Task;
                }

                handled.Add(job.Number);
                return Outcome.Ack;
            },
            options => options with { Concurrency = 2, HungAfter = Fixture.Quiet, Lease = LongLease }));

        // All that may run at once hang, before the others come.
        await Task.WhenAll(host.Bus.SendAsync(queue, new Job(0)).AsTask(), host.Bus.SendAsync(queue, new Job(1)).AsTask());
        await hung.ReachAsync(2);
        await Task.WhenAll(Enumerable.Range(2, Count).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));

        await handled.ReachAsync(Count);

        // On a busy machine another may seem to hang for a moment.
        Assert.True(host.Status.Running.Count(static one => one.IsHung) >= 2);
        end.SetResult();
        await handled.ReachAsync(Count + 2);
        await host.StopAsync().WaitAsync(Fixture.Patience, Time);
        Assert.Equal(Enumerable.Range(0, Count + 2), handled.Seen.Order());
        await NothingComesAsync(await OpenAsync(await ConnectAsync(), queue));
    }

    [Scenario(Fault.DropsMessages)]
    public async Task Each_delivery_has_a_scope_of_its_own()
    {
        var queue = NewName();
        var scopes = new Happenings<object>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging =>
        {
            messaging.Services.AddScoped<ScopedThing>();
            messaging.AddConsumer<Job>(queue, (_, context, _) =>
            {
                var thing = context.Services.GetRequiredService<ScopedThing>();
                Assert.Same(thing, context.Services.GetRequiredService<ScopedThing>());
                scopes.Add(thing);
                return new(Outcome.Ack);
            });
        });
        for (var i = 0; i < 20; i++)
        {
            await host.Bus.SendAsync(queue, new Job(i));
        }

        await scopes.ReachAsync(20);
        await host.StopAsync();
        Assert.Equal(20, scopes.Seen.Distinct().Count());
        Assert.All(scopes.Seen.Cast<ScopedThing>(), static thing => Assert.True(thing.IsDisposed));
    }

    [Scenario(Fault.DropsMessages)]
    public async Task Middlewares_run_in_the_order_of_registration_global_ones_outside()
    {
        var queue = NewName();
        var steps = new Happenings<string>(Time, Fixture.Patience);
        ConsumeMiddleware Step(string name) => next => async context =>
        {
            steps.Add(name);
            var outcome = await next(context);
            steps.Add("/" + name);
            return outcome;
        };
        var host = await StartHostAsync(messaging => messaging
            .UseConsume(Step("one")).UseConsume(Step("two"))
            .UsePublish(next => context =>
            {
                steps.Add("publish");
                return next(context);
            })
            .AddConsumer<Job>(
                queue,
                (_, _, _) =>
                {
                    steps.Add("handler");
                    return new(Outcome.Ack);
                },
                options => options with { Middleware = [Step("own")] }));

        await host.Bus.SendAsync(queue, new Job(1));

        await steps.ReachAsync(8);
        await host.StopAsync();
        Assert.Equal(["publish", "one", "two", "own", "handler", "/own", "/two", "/one"], steps.Seen);
    }

    [Scenario(Fault.DropsMessages)]
    public async Task No_more_handlers_run_at_once_than_the_concurrency_and_no_fewer()
    {
        const int Concurrency = 4;
        var queue = NewName();
        var running = 0;
        var most = new Happenings<int>(Time, Fixture.Patience);
        var enough = new TaskCompletionSource();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (_, _, _) =>
            {
                var now = Interlocked.Increment(ref running);
                most.Add(now);
                if (now == Concurrency)
                {
                    enough.TrySetResult();
                }

                await enough.Task;
                await Task.Yield();
                Interlocked.Decrement(ref running);
                return Outcome.Ack;
            },
            options => options with { Concurrency = Concurrency, Lease = LongLease }));

        await Task.WhenAll(Enumerable.Range(0, 40).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));

        await most.ReachAsync(40);
        Assert.Equal(Concurrency, most.Seen.Max());
    }

    [Scenario(Fault.NoRenewal)]
    public async Task A_handler_that_outlasts_its_lease_runs_once()
    {
        var queue = NewName();
        var runs = new Happenings<int>(Time, Fixture.Patience);
        var ended = new Happenings<int>(Time, Fixture.Patience);
        Func<ConsumerOptions, ConsumerOptions> options = static options => options with { Concurrency = 2 };
        async ValueTask<Outcome> Long(Job job, ConsumeContext context, CancellationToken cancellationToken)
        {
            runs.Add(context.Redeliveries);
            await Task.Delay(Fixture.Lease * 2.5, Time, cancellationToken);
            ended.Add(job.Number);
            return Outcome.Ack;
        }

        var transport = await ConnectAsync();
        if (!transport.Capabilities.LeaseRenewal.IsSupported && Fixture.LeasesExpire)
        {
            return;
        }

        // Two hosts: what one holds, the other would take.
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, Long, one => options(one) with { Lease = Fixture.Lease }));
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, Long, one => options(one) with { Lease = Fixture.Lease }));

        await host.Bus.SendAsync(queue, new Job(1));

        await ended.ReachAsync(1);
        await host.StopAsync();
        Assert.Equal([0], runs.Seen);
    }

    [Scenario(Fault.LiesAboutSettling)]
    public async Task A_handler_whose_lease_is_lost_is_cancelled_and_settles_nothing()
    {
        var transport = await ConnectAsync();
        var abilities = transport.Capabilities;
        Assert.SkipUnless(
            Fixture.LeasesExpire && abilities.LeaseRenewal.IsSupported && abilities.Fencing.IsSupported, "A lease cannot be lost while the connection is there.");
        var queue = NewName();
        var (begun, cancelled) = (new Happenings<int>(Time, Fixture.Patience), new Happenings<int>(Time, Fixture.Patience));
        var frozen = new FreezableTransport(transport);
        var host = await BeginHostAsync(frozen, messaging => messaging.AddConsumer<Job>(
            queue,
            async (_, context, cancellationToken) =>
            {
                begun.Add(context.Redeliveries);
                var over = new TaskCompletionSource();
                await using var registration = cancellationToken.Register(over.SetResult);
                await over.Task;
                cancelled.Add(context.Attempt);
                return Outcome.Ack;
            },
            options => options with { Lease = Fixture.Lease, Concurrency = 1 }));
        await host.Status.Ready.WaitAsync(Fixture.Patience, Time);
        frozen.FreezeAtNextDelivery();
        await host.Bus.SendAsync(queue, new Job(1));
        await begun.ReachAsync(1);
        var other = await OpenAsync(await ConnectAsync(), queue);
        var taken = await TakeOneAsync(other);

        frozen.Thaw();

        await cancelled.ReachAsync(1);
        await host.StopAsync();
        await AckAsync(other, taken);
    }

    private sealed class ScopedThing : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
