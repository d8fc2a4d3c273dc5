using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Hosting;
using Postrider.Transports.Nats;

namespace Postrider;

/// <summary>Messaging over NATS JetStream.</summary>
public static class NatsExtensions
{
    /// <summary>The transport's name in the configuration: <c>Messaging:Transport=nats</c>.</summary>
    public const string TransportName = "nats";

    private static readonly TransportType<NatsOptions> Type = new(TransportName, "Nats", Read, Create);

    /// <summary>Chooses NATS JetStream, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UseNats(this MessagingBuilder builder, string connectionString) =>
        builder.UseNats(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses NATS JetStream, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddNats(MessagingBuilder, Func{NatsOptions, NatsOptions}?)"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UseNats(this MessagingBuilder builder, Func<NatsOptions, NatsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(Type, configure);
    }

    /// <summary>
    /// Makes NATS JetStream available for <c>Messaging:Transport</c> to choose. The options come from <c>Messaging:Nats</c> (keys are the names of
    /// <see cref="NatsOptions"/>, times as <c>00:00:10</c>); the connection string, if it is not there, from <c>ConnectionStrings:Nats</c>.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddNats(this MessagingBuilder builder, Func<NatsOptions, NatsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddTransport(Type, null, configure);
    }

    /// <summary>As <see cref="AddNats(MessagingBuilder, Func{NatsOptions, NatsOptions}?)"/>, under a name of its own: there may be several. The options come from <c>Messaging:Transports:&lt;name&gt;</c>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddNats(this MessagingBuilder builder, string name, Func<NatsOptions, NatsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.AddTransport(Type, name, configure);
    }

    private static NatsTransport Create(IServiceProvider services, Settings settings, NatsOptions options)
    {
        settings.RequireConnectionString(options.ConnectionString);
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, NatsOptions.DefaultApplicationName) };
        return new NatsTransport(options, services.GetService<ILoggerFactory>());
    }

    private static NatsOptions Read(Settings settings)
    {
        var options = new NatsOptions { ConnectionString = settings.ConnectionString() };
        var topics = settings.Section("Topics");
        foreach (var topic in topics.Names())
        {
            options = options.MapTopic(topic, topics.Section(topic).Text("Subject") ?? "");
        }

        return options with
        {
            Token = settings.Text(nameof(options.Token)),
            NKeySeed = settings.Text(nameof(options.NKeySeed)),
            NKeyFile = settings.Text(nameof(options.NKeyFile)),
            CredentialsFile = settings.Text(nameof(options.CredentialsFile)),
            Tls = settings.Tls(),
            ApplicationName = settings.Text(nameof(options.ApplicationName)) ?? options.ApplicationName,
            ConnectTimeout = settings.Value(nameof(options.ConnectTimeout), options.ConnectTimeout),
            CommandTimeout = settings.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            Prefix = settings.Text(nameof(options.Prefix)) ?? options.Prefix,
            Replicas = settings.Value(nameof(options.Replicas), options.Replicas),
            Storage = settings.Choice(nameof(options.Storage), options.Storage),
            DuplicateWindow = settings.Value(nameof(options.DuplicateWindow), options.DuplicateWindow),
            CreateTopology = settings.Value(nameof(options.CreateTopology), options.CreateTopology),
            ServerSyncsAlways = settings.Value(nameof(options.ServerSyncsAlways), options.ServerSyncsAlways),
        };
    }
}
