using System.Net;
using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Core.Transport;

namespace Postrider.Persistence.Postgres;

/// <summary>The server that options name: where it is, and how connections to it are secured.</summary>
internal sealed class PostgresServer
{
    private readonly NpgsqlConnectionStringBuilder _parsed;

    /// <param name="connectionString">As the user gave it.</param>
    /// <param name="option">The option that it is the value of, for errors.</param>
    /// <param name="tls">The option beside it.</param>
    /// <param name="system">What is connected, for the log.</param>
    /// <param name="logger">Where to log.</param>
    /// <exception cref="MessagingConfigurationException">The connection string or a certificate cannot be read.</exception>
    public PostgresServer(string connectionString, string option, TlsOptions? tls, string system, ILogger logger)
    {
        _parsed = ConnectionStrings.Parse(connectionString, option);
        if (ConnectionStrings.TakeTls(_parsed, tls) is { } demanded)
        {
            Tls = new(demanded, system, logger);
        }
    }

    /// <summary>Null if TLS is not demanded.</summary>
    public TlsClient? Tls { get; }

    /// <summary>Host, port and database, for messages.</summary>
    public string Where => ConnectionStrings.Where(_parsed);

    /// <summary>For telemetry: of several, the first.</summary>
    public DnsEndPoint Address => new(_parsed.Host!.Split(',')[0], _parsed.Port);

    public string? Database => _parsed.Database ?? _parsed.Username;

    /// <summary>What all pools have in common. Their sessions keep no state, so there is nothing to reset.</summary>
    /// <param name="applicationName">For <c>pg_stat_activity</c>.</param>
    /// <param name="size">The most connections of the pool; 0: each is new, and closed for good.</param>
    public NpgsqlConnectionStringBuilder Settings(string applicationName, int size)
    {
        var own = new NpgsqlConnectionStringBuilder(_parsed.ConnectionString)
        {
            ApplicationName = applicationName,
            Pooling = size > 0,
            Multiplexing = false,
            Enlist = false,
            NoResetOnClose = true,
            PersistSecurityInfo = false,
            IncludeErrorDetail = false,
        };
        if (size > 0)
        {
            own.MinPoolSize = 0;
            own.MaxPoolSize = size;
        }

        return own;
    }

    /// <summary>A data source to be, with what our own statements need.</summary>
    public NpgsqlSlimDataSourceBuilder Builder(NpgsqlConnectionStringBuilder settings)
    {
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        builder.EnableArrays();
        builder.EnableTransportSecurity();
        if (Tls is not null)
        {
            builder.UseSslClientAuthenticationOptionsCallback(Tls.Apply);
        }

        builder.EnableIntegratedSecurity();
        return builder;
    }
}
