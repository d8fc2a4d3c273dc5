using System.Globalization;
using System.Text;
using Npgsql;
using Postrider.Persistence.Postgres;

namespace Postrider;

/// <summary>Where the state store of <see cref="PostgresStateStore"/> is, and what to use of the server.</summary>
/// <remarks>A process opens at most <see cref="Connections"/> + 1 connections for each store; the one more listens, if anything is watched.</remarks>
public sealed record PostgresStateOptions
{
    internal const string DefaultApplicationName = "postrider";

    /// <summary>
    /// Where PostgreSQL is: <c>Host=…;Port=…;Database=…;Username=…;Password=…</c>, or <c>postgres://user:password@host:port/database</c>.
    /// Never shown in messages or logs.
    /// </summary>
    public string ConnectionString { get; init; } = "";

    /// <summary>
    /// Gives the connections instead of <see cref="ConnectionString"/>: at least two, without multiplexing. It, and not this record, says how many, by which name
    /// and how secured. Whoever made it disposes of it, after the store.
    /// </summary>
    public NpgsqlDataSource? DataSource { get; init; }

    /// <summary>The most connections of calls; as many are under way at once.</summary>
    public int Connections { get; init; } = 2;

    /// <summary>How long a call may take, with the waiting for a connection, before it is a <see cref="StateStoreException"/> that is transient.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The name shown in <c>pg_stat_activity</c>, with the purpose of the connection added; registered in a host, the application's own.</summary>
    public string ApplicationName { get; init; } = DefaultApplicationName;

    /// <summary>Whether the table is created at the first use. If not, its absence is an error that tells the SQL to run.</summary>
    public bool CreateTable { get; init; } = true;

    /// <summary>
    /// How connections are secured. If it is set, or the connection string says <c>SSL Mode=Require</c> or stricter, the server must speak TLS
    /// and its certificate is verified, chain and host name. Otherwise <c>SSL Mode</c> counts as the string says it (by default TLS if the
    /// server offers it, unverified, else plain text).
    /// </summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Throws if an option makes no sense.</summary>
    internal void Validate()
    {
        Require(DataSource is null || ConnectionString.Length == 0, nameof(DataSource), "null where there is a ConnectionString");
        Require(
            DataSource is null || !new NpgsqlConnectionStringBuilder(DataSource.ConnectionString).Multiplexing, nameof(DataSource), "without multiplexing, as the store listens");
        Require(Connections is >= 1 and <= 100, nameof(Connections), "between 1 and 100");
        Require(CallTimeout >= TimeSpan.FromMilliseconds(100) && CallTimeout <= TimeSpan.FromMinutes(1), nameof(CallTimeout), "between 100 ms and a minute");
        Require(!string.IsNullOrWhiteSpace(ApplicationName) && ApplicationName.Length <= 50, nameof(ApplicationName), "a name of at most 50 characters");
    }

    private static void Require(bool condition, string option, string rule)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException($"PostgresStateOptions.{option} must be {rule}.");
        }
    }

    /// <summary>What <see cref="object.ToString"/> shows: everything but the password.</summary>
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append(DataSource is null ? $"ConnectionString = {ConnectionStrings.Mask(ConnectionString)}" : "DataSource = given")
            .Append(CultureInfo.InvariantCulture, $", Connections = {Connections}")
            .Append(CultureInfo.InvariantCulture, $", CallTimeout = {CallTimeout}, ApplicationName = {ApplicationName}, CreateTable = {CreateTable}")
            .Append(", Tls = ").Append(Tls);
        return true;
    }
}
