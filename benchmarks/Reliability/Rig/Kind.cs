namespace Postrider.Reliability.Rig;

/// <summary>A broker: what <c>eng/brokers.sh</c> calls it, how an application chooses it, and what it is known to do.</summary>
internal sealed record Kind(string Name, string Script, Func<MessagingBuilder, string, MessagingBuilder> Use)
{
    private static readonly Kind[] All =
    [
        new("pgmq", "postgres", static (messaging, address) => messaging.UsePgmq(options => options with { ConnectionString = address })),
        new("rabbitmq", "rabbitmq", static (messaging, address) => messaging.UseRabbitMq(options => options with { ConnectionString = address })),
        new("nats", "nats", static (messaging, address) => messaging.UseNats(options => options with { ConnectionString = address })),
    ];

    /// <summary>Whether a delivery is a process's for a time; on RabbitMQ it is its connection's.</summary>
    public bool HasLeases => Name != "rabbitmq";

    /// <summary>Whether processes can share their state there.</summary>
    public bool HoldsState => Name != "rabbitmq";

    public static Kind Find(string name) => Array.Find(All, kind => kind.Name == name)
        ?? throw new ArgumentException($"There is no broker '{name}': {string.Join(", ", All.Select(static kind => kind.Name))}.");
}
