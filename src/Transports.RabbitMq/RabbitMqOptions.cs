using System.Collections.Immutable;
using System.Text;
using Postrider.Core.Transport;
using Postrider.Transports.RabbitMq;

namespace Postrider;

/// <summary>How to reach RabbitMQ and what to use of it.</summary>
/// <remarks>
/// <para>A process opens two connections for each transport, one to publish and one to consume, and a channel for each receiver. The
/// account needs the rights to configure, write and read everything named <c>postrider.*</c> and its queues.</para>
/// <para>Durability is that of quorum queues: a message that is reported as stored is on the disks of a majority of their members.</para>
/// </remarks>
public sealed record RabbitMqOptions
{
    internal const string DefaultApplicationName = "postrider";

    /// <summary>
    /// Where RabbitMQ is: <c>amqp://user:password@host:port/vhost</c>, or <c>amqps://…</c> for TLS. Without a path it is the virtual host
    /// <c>/</c>. Never shown in messages or logs.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>The name of the connections in RabbitMQ's lists, with their purpose added; registered in a host, the application's own.</summary>
    public string ApplicationName { get; init; } = DefaultApplicationName;

    /// <summary>How long connecting may take, greeting and login included, before it is a <see cref="TransportError.Timeout"/>.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the broker may take to answer a command: declaring, beginning and ending to consume.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// The server's <c>consumer_timeout</c>: it takes back what was not settled for so long. A consumer that declares a longer
    /// <see cref="ConsumerOptions.Lease"/> is refused, since nothing renews a delivery here.
    /// </summary>
    public TimeSpan ConsumerTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>
    /// The largest body that is sent; larger ones are <see cref="PublishStatus.Rejected"/> before anything is written. The default is the
    /// <c>max_message_size</c> of RabbitMQ 4; servers from 3.8 to 3.13 take 128 MiB.
    /// </summary>
    public int MaxMessageBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>
    /// Whether exchanges, queues and bindings are made. If not, they are only looked for, for accounts that may not make any; delays and
    /// priorities then work only with what another process has made.
    /// </summary>
    public bool CreateTopology { get; init; } = true;

    /// <summary>
    /// Whether every message is a CloudEvent in binary mode for consumers that know only those: <c>cloudEvents_specversion</c>, <c>_id</c>, <c>_type</c>, <c>_source</c>,
    /// <c>_time</c> and <c>_correlationid</c> are written beside the properties that say the same. What others write is read in any case.
    /// </summary>
    public bool CloudEvents { get; init; }

    /// <summary>How <c>amqps</c> connections are secured. Null: by the certificate authorities that the machine trusts.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>The mapped topics.</summary>
    internal ImmutableSortedDictionary<string, ExchangeAddress> Topics { get; init; } = ImmutableSortedDictionary.Create<string, ExchangeAddress>(StringComparer.Ordinal);

    /// <summary>
    /// These options, and a topic that is published to an exchange of others, of any type, and only there: queues that are bound to the topic here get nothing.
    /// The exchange is never declared or changed. Such a topic has no delays.
    /// </summary>
    /// <param name="topic">The name of one topic, without wildcards. Mapped again, the last one counts.</param>
    /// <param name="exchange">The exchange; empty for the default one, which leads to the queue that <paramref name="routingKey"/> names.</param>
    /// <param name="routingKey">The routing key. Null: the topic.</param>
    /// <param name="headers">What each message gets that has no header of the name: strings, bools, ints, longs and doubles. For exchanges of the type <c>headers</c>.</param>
    /// <returns>The changed options; checked when the transport is made.</returns>
    public RabbitMqOptions MapTopic(string topic, string exchange, string? routingKey = null, IReadOnlyDictionary<string, object>? headers = null)
    {
        ArgumentNullException.ThrowIfNull(topic);
        ArgumentNullException.ThrowIfNull(exchange);
        return Map(topic, exchange, routingKey, headers ?? ImmutableSortedDictionary<string, object>.Empty);
    }

    /// <summary>As <see cref="MapTopic"/>, for what the configuration says, which may lack the exchange.</summary>
    internal RabbitMqOptions Map(string topic, string? exchange, string? routingKey, IEnumerable<KeyValuePair<string, object>> headers) => this with
    {
        Topics = Topics.SetItem(topic, new(exchange, routingKey ?? topic, headers.ToImmutableSortedDictionary(StringComparer.Ordinal))),
    };

    /// <summary>Throws if an option makes no sense.</summary>
    internal void Validate()
    {
        Require(!string.IsNullOrWhiteSpace(ApplicationName) && ApplicationName.Length <= 50, nameof(ApplicationName), "a name of at most 50 characters");
        Require(ConnectTimeout > TimeSpan.Zero && ConnectTimeout <= TimeSpan.FromMinutes(5), nameof(ConnectTimeout), "more than zero and at most five minutes");
        Require(CommandTimeout > TimeSpan.Zero && CommandTimeout <= TimeSpan.FromHours(1), nameof(CommandTimeout), "more than zero and at most an hour");
        Require(ConsumerTimeout > TimeSpan.Zero, nameof(ConsumerTimeout), "more than zero");
        Require(MaxMessageBytes is >= 1 and <= 512 * 1024 * 1024, nameof(MaxMessageBytes), "between 1 and 536870912 (512 MiB)");
        foreach (var (topic, address) in Topics)
        {
            if ((Names.WhyIllegalTopic(topic) ?? address.WhyWrong()) is { } why)
            {
                throw new MessagingConfigurationException($"RabbitMqOptions cannot map the topic '{topic}': {why}");
            }
        }
    }

    private static void Require(bool condition, string option, string rule)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException($"RabbitMqOptions.{option} must be {rule}.");
        }
    }

    /// <summary>What <see cref="object.ToString"/> shows: everything but the password.</summary>
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("ConnectionString = ").Append(Address.Mask(ConnectionString))
            .Append(", ApplicationName = ").Append(ApplicationName)
            .Append(", ConnectTimeout = ").Append(ConnectTimeout)
            .Append(", CommandTimeout = ").Append(CommandTimeout)
            .Append(", ConsumerTimeout = ").Append(ConsumerTimeout)
            .Append(", MaxMessageBytes = ").Append(MaxMessageBytes)
            .Append(", CreateTopology = ").Append(CreateTopology)
            .Append(", CloudEvents = ").Append(CloudEvents)
            .Append(", Tls = ").Append(Tls)
            .Append(", Topics = ").AppendJoin(' ', Topics.Keys);
        return true;
    }
}
