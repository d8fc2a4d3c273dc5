using System.Collections.Immutable;
using System.Text;
using Postrider.Core.Transport;
using Postrider.Transports.Nats;

namespace Postrider;

/// <summary>How to use NATS JetStream.</summary>
/// <remarks>
/// <para>At most one way to log in is set: user and password in the connection string, <see cref="Token"/>, <see cref="NKeySeed"/>,
/// <see cref="NKeyFile"/> or <see cref="CredentialsFile"/>. Files are read at each connecting, so they may be renewed.</para>
/// <para>A transport opens two connections: one publishes, one consumes.</para>
/// </remarks>
public sealed record NatsOptions
{
    internal const string DefaultApplicationName = "postrider";

    /// <summary>
    /// Where the servers are: <c>nats://user:password@host:4222</c>, several separated by commas; <c>tls://</c> for TLS, which never falls
    /// back to plain text. The password is never shown in messages or logs.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>A token to log in with.</summary>
    public string? Token { get; init; }

    /// <summary>The seed of a user's nkey (<c>SU…</c>) to log in with.</summary>
    public string? NKeySeed { get; init; }

    /// <summary>The path of a file with the seed of a user's nkey.</summary>
    public string? NKeyFile { get; init; }

    /// <summary>The path of a credentials file: a user's JWT and seed, as <c>nsc</c> writes it.</summary>
    public string? CredentialsFile { get; init; }

    /// <summary>How connections that ask for TLS are secured. Setting it asks for TLS, also by <c>nats://</c>.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>The connections' name in the server's monitoring, with the purpose added; registered in a host, the application's own.</summary>
    public string ApplicationName { get; init; } = DefaultApplicationName;

    /// <summary>How long connecting to one server may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the server may take to answer.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What all subjects and streams begin with. Applications that exchange messages have the same.</summary>
    public string Prefix { get; init; } = "postrider";

    /// <summary>How many servers of a cluster keep each new stream: 1, 3 or 5.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>Where new streams are kept.</summary>
    public NatsStorage Storage { get; init; } = NatsStorage.File;

    /// <summary>How long new streams remember message ids to find duplicates.</summary>
    public TimeSpan DuplicateWindow { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Whether streams and consumers are created when they are missing. If not, declaring only checks that they are there, and what is missing
    /// is a <see cref="TransportError.TopologyMismatch"/>.
    /// </summary>
    public bool CreateTopology { get; init; } = true;

    /// <summary>
    /// Says that the servers run with <c>sync_interval: always</c>, which clients cannot see. It silences the warning that a stored message may
    /// not survive a power cut.
    /// </summary>
    public bool ServerSyncsAlways { get; init; }

    /// <summary>The mapped topics, with their subjects.</summary>
    internal ImmutableSortedDictionary<string, string> Topics { get; init; } = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// These options, and a topic that is published to a subject of others, and only there: queues that are bound to the topic here get nothing. A stream must take
    /// the subject; it is never created or changed. Such a topic has no delays.
    /// </summary>
    /// <param name="topic">The name of one topic, without wildcards. Mapped again, the last one counts.</param>
    /// <param name="subject">The subject, without wildcards.</param>
    /// <returns>The changed options; checked when the transport is made.</returns>
    public NatsOptions MapTopic(string topic, string subject)
    {
        ArgumentNullException.ThrowIfNull(topic);
        ArgumentNullException.ThrowIfNull(subject);
        return this with { Topics = Topics.SetItem(topic, subject) };
    }

    /// <summary>Throws if an option makes no sense.</summary>
    internal void Validate()
    {
        var logins = (Token is null ? 0 : 1) + (NKeySeed is null ? 0 : 1) + (NKeyFile is null ? 0 : 1) + (CredentialsFile is null ? 0 : 1);
        Require(logins <= 1, nameof(CredentialsFile), "the only way to log in, if it is set: choose one of Token, NKeySeed, NKeyFile and CredentialsFile");
        Require(ConnectTimeout > TimeSpan.Zero && ConnectTimeout <= TimeSpan.FromMinutes(5), nameof(ConnectTimeout), "more than zero and at most five minutes");
        Require(CommandTimeout > TimeSpan.Zero && CommandTimeout <= TimeSpan.FromMinutes(5), nameof(CommandTimeout), "more than zero and at most five minutes");
        Require(!string.IsNullOrWhiteSpace(ApplicationName) && ApplicationName.Length <= 50, nameof(ApplicationName), "a name of at most 50 characters");
        Require(Subjects.IsPrefix(Prefix), nameof(Prefix), "1 to 32 characters of a-z, A-Z, 0-9, '_' and '-'");
        Require(Replicas is >= 1 and <= 5, nameof(Replicas), "between 1 and 5");
        Require(Enum.IsDefined(Storage), nameof(Storage), "File or Memory");
        Require(DuplicateWindow >= TimeSpan.FromMilliseconds(100) && DuplicateWindow <= TimeSpan.FromDays(7), nameof(DuplicateWindow), "between 100 ms and 7 days");
        foreach (var (topic, subject) in Topics)
        {
            if ((Names.WhyIllegalTopic(topic) ?? Subjects.WhyNotForeign(subject, Prefix)) is { } why)
            {
                throw new MessagingConfigurationException($"NatsOptions cannot map the topic '{topic}': {why}");
            }
        }
    }

    private static void Require(bool condition, string option, string rule)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException($"NatsOptions.{option} must be {rule}.");
        }
    }

    /// <summary>What <see cref="object.ToString"/> shows: everything but secrets.</summary>
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("ConnectionString = ").Append(ConnectionStrings.Mask(ConnectionString))
            .Append(", Token = ").Append(Token is null ? "" : "***")
            .Append(", NKeySeed = ").Append(NKeySeed is null ? "" : "***")
            .Append(", NKeyFile = ").Append(NKeyFile)
            .Append(", CredentialsFile = ").Append(CredentialsFile)
            .Append(", Tls = ").Append(Tls)
            .Append(", ApplicationName = ").Append(ApplicationName)
            .Append(", ConnectTimeout = ").Append(ConnectTimeout)
            .Append(", CommandTimeout = ").Append(CommandTimeout)
            .Append(", Prefix = ").Append(Prefix)
            .Append(", Replicas = ").Append(Replicas)
            .Append(", Storage = ").Append(Storage)
            .Append(", DuplicateWindow = ").Append(DuplicateWindow)
            .Append(", CreateTopology = ").Append(CreateTopology)
            .Append(", ServerSyncsAlways = ").Append(ServerSyncsAlways)
            .Append(", Topics = ").AppendJoin(' ', Topics.Keys);
        return true;
    }
}

/// <summary>Where streams are kept.</summary>
public enum NatsStorage
{
    /// <summary>In files: messages survive the end of the server's process.</summary>
    File,

    /// <summary>In memory: they are lost with it, unless other servers of a cluster have copies.</summary>
    Memory,
}
