using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Hosting;
using Postrider.Transports.Pgmq;

namespace Postrider;

/// <summary>Messaging over PGMQ on PostgreSQL.</summary>
public static class PgmqExtensions
{
    /// <summary>The transport's name in the configuration: <c>Messaging:Transport=pgmq</c>.</summary>
    public const string TransportName = "pgmq";

    /// <summary>Chooses PGMQ, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UsePgmq(this MessagingBuilder builder, string connectionString) =>
        builder.UsePgmq(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses PGMQ, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddPgmq"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UsePgmq(this MessagingBuilder builder, Func<PgmqOptions, PgmqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(TransportName, services => Create(services, configure));
    }

    /// <summary>
    /// Makes PGMQ available for <c>Messaging:Transport</c> to choose. The options come from <c>Messaging:Pgmq</c> (keys are the names of
    /// <see cref="PgmqOptions"/>, times as <c>00:00:10</c>); the connection string, if it is not there, from <c>ConnectionStrings:Pgmq</c>.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddPgmq(this MessagingBuilder builder, Func<PgmqOptions, PgmqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddTransport(TransportName, services => Create(services, configure));
    }

    private static PgmqTransport Create(IServiceProvider services, Func<PgmqOptions, PgmqOptions>? configure)
    {
        var options = Read(services.GetService<IConfiguration>());
        options = configure?.Invoke(options) ?? options;
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, PgmqOptions.DefaultApplicationName) };
        return new PgmqTransport(options, services.GetService<ILoggerFactory>());
    }

    private static PgmqOptions Read(IConfiguration? configuration)
    {
        if (configuration is null)
        {
            return new() { ConnectionString = "" };
        }

        var options = new PgmqOptions { ConnectionString = configuration.ConnectionString("Pgmq") };
        var section = configuration.GetSection("Messaging:Pgmq");
        return options with
        {
            PublishConnections = section.Value(nameof(options.PublishConnections), options.PublishConnections),
            ReceiveConnections = section.Value(nameof(options.ReceiveConnections), options.ReceiveConnections),
            CheckoutTimeout = section.Value(nameof(options.CheckoutTimeout), options.CheckoutTimeout),
            CommandTimeout = section.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            ApplicationName = section[nameof(options.ApplicationName)] ?? options.ApplicationName,
            CreateSchema = section.Value(nameof(options.CreateSchema), options.CreateSchema),
            Archive = section.Value(nameof(options.Archive), options.Archive),
            Tls = section.Tls(),
        };
    }
}
