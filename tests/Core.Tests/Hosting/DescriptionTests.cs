using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>The description tells all that was registered, and nothing is connected for it.</summary>
public sealed class DescriptionTests
{
    [Fact]
    public async Task It_tells_transports_queues_bindings_consumers_and_middlewares_and_connects_nothing()
    {
        var transport = new ScriptedTransport { OnDeclare = static () => throw new InvalidOperationException("It was connected.") };
        await using var host = TestHost.Configured(
            m => m.AddTransport("scripted", _ => transport)
                .Configure(static o => o with { Application = "shop" })
                .UseCorrelationIds().UseHeader("team", "blue").UsePublish<Stamp>().UseTimeout(TimeSpan.FromSeconds(9))
                .UseConsume(static next => next)
                .AddConsumer<Ping>(
                    "ping", static (_, _, _) => new(Outcome.Ack),
                    static o => o with { Topics = ["a.*", "b"], Transport = "memory", Requires = [TransportCapability.Fencing], Middleware = [static next => next] }),
            ("Transport", "scripted"), ("Transports:memory:Type", "InMemory"), ("DrainFrom:0", "scripted"), ("Topics:a.x:Transport", "memory"));

        var description = host.Services.GetRequiredService<MessagingDescription>().ToString();

        Assert.Equal(
            """
            messaging of 'shop', preset Production: publish timeout 00:00:30, drain timeout 00:00:20, waits for its brokers, bodies up to 1048576 bytes
            transport scripted (scripted), the default, is drained
              Durability           Native
              DelayedPublish       Native
              LeaseRenewal         Native
              Fencing              Native
              UncountedRelease     Native
              ConfirmedSettlement  Native
              DuplicateDetection   Native
              Priorities           Unsupported it has no queues
              Transactions         Unsupported it has no database
              RequestReply         Unsupported it has no queues
              Browsing             Unsupported it has no queues
              queue ping, until it is empty: concurrency 16, 32 to 512 under way, lease 00:00:30, 10 redeliveries, expired messages: DeadLetter
                bound to a.*
                bound to b
                consumer ping:tests.ping of tests.ping: 5 attempts, then DeadLetter, 1 middlewares of its own, requires Fencing
            transport memory (inmemory)
              Durability           Unsupported messages live in this process
              DelayedPublish       Native
              LeaseRenewal         Native
              Fencing              Native
              UncountedRelease     Native
              ConfirmedSettlement  Native
              DuplicateDetection   Native
              Priorities           Native
              Transactions         Unsupported memory takes no part in the transactions of a database
              RequestReply         Native
              Browsing             Native
              queue ping: concurrency 16, 32 to 512 under way, lease 00:00:30, 10 redeliveries, expired messages: DeadLetter
                bound to a.*
                bound to b
                consumer ping:tests.ping of tests.ping: 5 attempts, then DeadLetter, 1 middlewares of its own, requires Fencing
            topic a.x is published to memory
            publish middlewares, the outermost first: correlation ids > header team > Stamp
            consume middlewares, the outermost first: timeout 00:00:09 > static next => next

            """,
            description, ignoreLineEndingDifferences: true);
        Assert.Empty(transport.Published);
    }

    private sealed class Stamp : IPublishMiddleware
    {
        public ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate next) => next(context);
    }
}
