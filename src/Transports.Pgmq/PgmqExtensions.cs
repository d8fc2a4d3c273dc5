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

    private static readonly TransportType<PgmqOptions> Type = new(TransportName, "Pgmq", Read, Create);

    /// <summary>Chooses PGMQ, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UsePgmq(this MessagingBuilder builder, string connectionString) =>
        builder.UsePgmq(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses PGMQ, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddPgmq(MessagingBuilder, Func{PgmqOptions, PgmqOptions}?)"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UsePgmq(this MessagingBuilder builder, Func<PgmqOptions, PgmqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(Type, configure);
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
        return builder.AddTransport(Type, null, configure);
    }

    /// <summary>As <see cref="AddPgmq(MessagingBuilder, Func{PgmqOptions, PgmqOptions}?)"/>, under a name of its own: there may be several. The options come from <c>Messaging:Transports:&lt;name&gt;</c>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddPgmq(this MessagingBuilder builder, string name, Func<PgmqOptions, PgmqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.AddTransport(Type, name, configure);
    }

    private static PgmqTransport Create(IServiceProvider services, Settings settings, PgmqOptions options)
    {
        settings.RequireConnectionString(options.ConnectionString);
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, PgmqOptions.DefaultApplicationName) };
        return new PgmqTransport(options, services.GetService<ILoggerFactory>());
    }

    private static PgmqOptions Read(Settings settings)
    {
        var options = new PgmqOptions { ConnectionString = settings.ConnectionString() };
        var topics = settings.Section("Topics");
        foreach (var topic in topics.Names())
        {
            options = options.MapTopic(topic, topics.Section(topic).Text("Queue") ?? "");
        }

        return options with
        {
            PublishConnections = settings.Value(nameof(options.PublishConnections), options.PublishConnections),
            ReceiveConnections = settings.Value(nameof(options.ReceiveConnections), options.ReceiveConnections),
            CheckoutTimeout = settings.Value(nameof(options.CheckoutTimeout), options.CheckoutTimeout),
            CommandTimeout = settings.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            ApplicationName = settings.Text(nameof(options.ApplicationName)) ?? options.ApplicationName,
            CreateSchema = settings.Value(nameof(options.CreateSchema), options.CreateSchema),
            DuplicateWindow = settings.Value(nameof(options.DuplicateWindow), options.DuplicateWindow),
            Archive = settings.Value(nameof(options.Archive), options.Archive),
            Tls = settings.Tls(),
        };
    }
}
