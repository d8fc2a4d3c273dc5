using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

/// <summary>A transport says which topics go to what others made: the description tells, and a queue that waits for one in vain is warned of.</summary>
public sealed class MappedTopicsTests
{
    [Fact]
    public async Task A_queue_that_is_bound_to_a_mapped_topic_is_warned_of_at_start()
    {
        var log = new ListLog();
        await using var host = await TestHost.StartAsync(
            static m => m.UseTransport("mapping", static _ => new MappingTransport())
                .AddConsumer<Ping>("all", static (_, _, _) => new(Outcome.Ack), static o => o with { Topics = ["orders.#"] })
                .AddConsumer<Ping>("other", static (_, _, _) => new(Outcome.Ack), static o => o with { Topics = ["orders.placed.late"] }),
            services => services.AddLogging(logging => logging.AddProvider(log)));

        Assert.Equal(
            [(16, "The queue 'all' is bound to orders.#, but the transport 'mapping' maps the topic 'orders.placed' to the exchange 'legacy': nothing of it comes from there.")],
            log.Lines.Where(static line => line.Text.Contains("maps", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_description_tells_mapped_topics()
    {
        await using var host = TestHost.Create(static m => m.UseTransport("mapping", static _ => new MappingTransport()));
        Assert.Contains("  topic orders.placed is mapped to the exchange 'legacy'", host.Services.GetRequiredService<MessagingDescription>().ToString(), StringComparison.Ordinal);
    }

    private sealed class MappingTransport : ITransport, IMappedTopics
    {
        private readonly ScriptedTransport _inner = new();

        public IReadOnlyDictionary<string, string> MappedTopics { get; } = new Dictionary<string, string> { ["orders.placed"] = "the exchange 'legacy'" };

        public TransportCapabilities Capabilities => _inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => _inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            _inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => _inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
