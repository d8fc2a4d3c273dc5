using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Core.Hosting;
using Postrider.Persistence.Postgres;

namespace Postrider;

/// <summary>The state store on PostgreSQL, for any transport.</summary>
public static class PostgresStateExtensions
{
    private static readonly StateStoreType<PostgresStateOptions> Type = new("PostgresState", Read, Create);

    /// <summary>Keeps the state store in the database of this connection string.</summary>
    public static MessagingBuilder UsePostgresState(this MessagingBuilder builder, string connectionString) =>
        builder.UsePostgresState(options => options with { ConnectionString = connectionString });

    /// <summary>Keeps the state store in the database of this data source, which the host does not dispose of. See <see cref="PostgresStateOptions.DataSource"/>.</summary>
    public static MessagingBuilder UsePostgresState(this MessagingBuilder builder, NpgsqlDataSource dataSource)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        return builder.UsePostgresState(options => options with { ConnectionString = "", DataSource = dataSource });
    }

    /// <summary>
    /// Keeps the state store on PostgreSQL. The options come from <c>Messaging:PostgresState</c> (keys are the names of <see cref="PostgresStateOptions"/>, times as
    /// <c>00:00:05</c>); the connection string, if it is not there, from the one of <c>ConnectionStrings</c> that <c>ConnectionName</c> names, else from
    /// <c>ConnectionStrings:PostgresState</c>.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UsePostgresState(this MessagingBuilder builder, Func<PostgresStateOptions, PostgresStateOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseStateStore(Type, configure);
    }

    private static PostgresStateStore Create(IServiceProvider services, Settings settings, PostgresStateOptions options)
    {
        if (options.DataSource is null)
        {
            settings.RequireConnectionString(options.ConnectionString);
        }

        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, PostgresStateOptions.DefaultApplicationName) };
        return new(options, services.GetService<ILoggerFactory>());
    }

    private static PostgresStateOptions Read(Settings settings)
    {
        var options = new PostgresStateOptions { ConnectionString = settings.ConnectionString() };
        return options with
        {
            Connections = settings.Value(nameof(options.Connections), options.Connections),
            CallTimeout = settings.Value(nameof(options.CallTimeout), options.CallTimeout),
            ApplicationName = settings.Text(nameof(options.ApplicationName)) ?? options.ApplicationName,
            CreateTable = settings.Value(nameof(options.CreateTable), options.CreateTable),
            Tls = settings.Tls(),
        };
    }
}
