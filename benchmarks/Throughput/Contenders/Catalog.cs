using Postrider.Throughput.Contenders.InMemory;
using Postrider.Throughput.Contenders.Nats;
using Postrider.Throughput.Contenders.Pgmq;
using Postrider.Throughput.Contenders.RabbitMq;

namespace Postrider.Throughput.Contenders;

/// <summary>Everybody who takes part.</summary>
internal static class Catalog
{
    public static readonly Broker InMemory = new("inmemory", null, null, 150_000, 150_000);
    public static readonly Broker Pgmq = new("pgmq", "postgres", "POSTRIDER_TEST_PGMQ", 30_000, 30_000);
    public static readonly Broker RabbitMq = new("rabbitmq", "rabbitmq", "POSTRIDER_TEST_RABBITMQ", 18_000, 25_000);
    public static readonly Broker Nats = new("nats", "nats", "POSTRIDER_TEST_NATS", 50_000, 80_000);

    public static readonly IReadOnlyList<Broker> Brokers = [InMemory, Pgmq, RabbitMq, Nats];

    public static readonly IReadOnlyList<Entry> Entries =
    [
        new(InMemory, "channel", Role.Raw, job => new BareChannel(job)),
        new(InMemory, "postrider", Role.Ours, Postrider.InMemory),
        new(InMemory, "masstransit", Role.Rival, job => new MassTransitInMemory(job), 0.2),
        new(InMemory, "rebus", Role.Rival, job => new RebusInMemory(job), 0.2),
        new(InMemory, "wolverine", Role.Rival, job => new WolverineLocal(job)),
        new(Pgmq, "raw", Role.Raw, job => new PgmqRaw(job), 0.1),
        new(Pgmq, "tuned", Role.Tuned, job => new PgmqTuned(job)),
        new(Pgmq, "postrider", Role.Ours, Postrider.Pgmq),
        new(Pgmq, "rebus", Role.Rival, job => new RebusPostgres(job), 0.02),
        new(RabbitMq, "raw", Role.Raw, job => new RabbitMqRaw(job)),
        new(RabbitMq, "tuned", Role.Tuned, job => new RabbitMqTuned(job)),
        new(RabbitMq, "postrider", Role.Ours, Postrider.RabbitMq),
        new(RabbitMq, "masstransit", Role.Rival, job => new MassTransitRabbitMq(job), 0.5),
        new(Nats, "raw", Role.Raw, job => new NatsRaw(job)),
        new(Nats, "tuned", Role.Tuned, job => new NatsTuned(job)),
        new(Nats, "postrider", Role.Ours, Postrider.Nats),
    ];

    public static Entry Find(string id) =>
        Entries.FirstOrDefault(entry => entry.Id == id) ?? throw new ArgumentException($"There is no contender '{id}'.", nameof(id));
}
