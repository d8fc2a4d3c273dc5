using System.Collections.Immutable;
using System.Text;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;
using Postrider.Transports.Pgmq;

namespace Postrider;

/// <summary>How to reach PostgreSQL and what to use of it.</summary>
/// <remarks>
/// <para>Durability is the server's: with <c>synchronous_commit</c> on (its default) a message that is reported as stored survives a
/// power cut. Unlogged queues do not survive a crash of the server.</para>
/// <para>Use a direct connection, or a pooler in session mode: notifications and waiting need sessions.</para>
/// <para>A process opens at most <see cref="PublishConnections"/> + <see cref="ReceiveConnections"/> + 2 connections for each transport,
/// <see cref="ConsumerOptions.Concurrency"/> more for each queue with a transactional consumer, and what <see cref="PostgresStateOptions"/> says if the state store is used.</para>
/// </remarks>
public sealed record PgmqOptions
{
    internal const string DefaultApplicationName = "postrider";

    /// <summary>
    /// Where PostgreSQL is: <c>Host=…;Port=…;Database=…;Username=…;Password=…</c>, or <c>postgres://user:password@host:port/database</c>.
    /// Never shown in messages or logs.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>The most connections that publish; as many batches of messages are under way at once.</summary>
    public int PublishConnections { get; init; } = 2;

    /// <summary>The most connections that take and settle messages, shared by all receivers of the transport.</summary>
    public int ReceiveConnections { get; init; } = 8;

    /// <summary>How long to wait for a connection, free or new, before it is a <see cref="TransportError.Timeout"/>. In whole seconds, rounded up.</summary>
    public TimeSpan CheckoutTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a statement may take. In whole seconds, rounded up.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The name shown in <c>pg_stat_activity</c>, with the purpose of the connection added; registered in a host, the application's own.</summary>
    public string ApplicationName { get; init; } = DefaultApplicationName;

    /// <summary>
    /// Whether the database is prepared at the first use: the <c>pgmq</c> extension or its equivalent, and the schema <c>postrider</c>.
    /// If not, a database that is not prepared is a <see cref="TransportError.SchemaMismatch"/>.
    /// </summary>
    public bool CreateSchema { get; init; } = true;

    /// <summary>
    /// For how long a second message of the same id to the same topic, or to the same queue, is found to be a duplicate: not stored, which is no error. Counted
    /// from the publish, on the server's clock. Zero: all are stored, which spares a row for each message. At most 7 days.
    /// </summary>
    public TimeSpan DuplicateWindow { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Whether messages that are done move to PGMQ's archive table of the queue instead of being deleted. About twice the cost.</summary>
    public bool Archive { get; init; }

    /// <summary>
    /// Changes the data source from which transactional handlers get their connections: type mappings and plugins, as your own data source has
    /// them. Their commands have <see cref="CommandTimeout"/> unless they set their own.
    /// </summary>
    public Action<NpgsqlDataSourceBuilder>? ConfigureHandling { get; init; }

    /// <summary>
    /// How connections are secured. If it is set, or the connection string says <c>SSL Mode=Require</c> or stricter, the server must speak TLS
    /// and its certificate is verified, chain and host name. Otherwise <c>SSL Mode</c> counts as the string says it (by default TLS if the
    /// server offers it, unverified, else plain text).
    /// </summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>The mapped topics, with their queues.</summary>
    internal ImmutableSortedDictionary<string, string> Topics { get; init; } = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// These options, and a topic that is published to a PGMQ queue of others, and only there: queues that are bound to the topic here get nothing. The queue is
    /// never created or changed.
    /// </summary>
    /// <param name="topic">The name of one topic, without wildcards. Mapped again, the last one counts.</param>
    /// <param name="queue">The queue's name as <c>pgmq.send</c> takes it.</param>
    /// <returns>The changed options; checked when the transport is made.</returns>
    public PgmqOptions MapTopic(string topic, string queue)
    {
        ArgumentNullException.ThrowIfNull(topic);
        ArgumentNullException.ThrowIfNull(queue);
        return this with { Topics = Topics.SetItem(topic, queue) };
    }

    /// <summary>Throws if an option makes no sense.</summary>
    internal void Validate()
    {
        Require(PublishConnections is >= 1 and <= 100, nameof(PublishConnections), "between 1 and 100");
        Require(ReceiveConnections is >= 1 and <= 1000, nameof(ReceiveConnections), "between 1 and 1000");
        Require(CheckoutTimeout > TimeSpan.Zero && CheckoutTimeout <= TimeSpan.FromMinutes(5), nameof(CheckoutTimeout), "more than zero and at most five minutes");
        Require(CommandTimeout > TimeSpan.Zero && CommandTimeout <= TimeSpan.FromHours(1), nameof(CommandTimeout), "more than zero and at most an hour");
        Require(
            DuplicateWindow == TimeSpan.Zero || (DuplicateWindow >= TimeSpan.FromMilliseconds(100) && DuplicateWindow <= TimeSpan.FromDays(7)),
            nameof(DuplicateWindow), "zero, or between 100 ms and 7 days");
        Require(!string.IsNullOrWhiteSpace(ApplicationName) && ApplicationName.Length <= 50, nameof(ApplicationName), "a name of at most 50 characters");
        foreach (var (topic, queue) in Topics)
        {
            if ((Names.WhyIllegalTopic(topic) ?? TableName.WhyNotForeign(queue)) is { } why)
            {
                throw new MessagingConfigurationException($"PgmqOptions cannot map the topic '{topic}': {why}");
            }
        }
    }

    private static void Require(bool condition, string option, string rule)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException($"PgmqOptions.{option} must be {rule}.");
        }
    }

    /// <summary>What <see cref="object.ToString"/> shows: everything but the password.</summary>
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("ConnectionString = ").Append(ConnectionStrings.Mask(ConnectionString))
            .Append(", PublishConnections = ").Append(PublishConnections)
            .Append(", ReceiveConnections = ").Append(ReceiveConnections)
            .Append(", CheckoutTimeout = ").Append(CheckoutTimeout)
            .Append(", CommandTimeout = ").Append(CommandTimeout)
            .Append(", ApplicationName = ").Append(ApplicationName)
            .Append(", CreateSchema = ").Append(CreateSchema)
            .Append(", DuplicateWindow = ").Append(DuplicateWindow)
            .Append(", Archive = ").Append(Archive)
            .Append(", Tls = ").Append(Tls)
            .Append(", Topics = ").AppendJoin(' ', Topics.Keys);
        return true;
    }
}
