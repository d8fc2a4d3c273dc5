using System.Diagnostics;
using Postrider.Core.Diagnostics;
using Postrider.Core.InMemory;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>Not beside other tests, which listen to everything.</summary>
[CollectionDefinition(nameof(Silence), DisableParallelization = true)]
public sealed class Silence;

[Collection(nameof(Silence))]
public sealed class SilenceTests
{
    [Fact]
    public void While_nobody_listens_nothing_is_allocated_for_it()
    {
        using var telemetry = new Telemetry(null, TimeProvider.System, new() { TraceSettling = true, BodySizes = true, TopicTemplates = ["orders.#"] });
        var broker = new BrokerNames(new InMemoryTransport(new InMemoryBroker()));
        var operation = PublishOperation.Take(1024, TimeProvider.System);
        var context = new PublishContext(new Ping(1), MessageType<Ping>.Instance, Destination.Topic("orders.placed"), new(), default);
        var delivery = new Arrived("q", new() { Id = "1", TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Baggage = "a=b", SentAt = DateTimeOffset.UnixEpoch });
        Activity.Current = null;
        Once();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Once();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Once()
        {
            var publish = telemetry.BeginPublish(broker, context, "1", "c", operation);
            telemetry.Serialized(publish, 12);
            telemetry.EndPublish(publish, context, PublishStatus.Stored, null);
            telemetry.EndProcess(telemetry.BeginProcess(broker, delivery, delivery.Envelope), delivery, Outcome.Ack);
            telemetry.Settled(broker, Settlement.Ack(delivery), SettleStatus.Settled, telemetry.BeginSettle());
        }
    }

    private sealed class Arrived(string queue, Envelope envelope) : Delivery(queue, envelope, 0);
}
