using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Hosting;
using Postrider.Transports.RabbitMq;

namespace Postrider;

/// <summary>Messaging over RabbitMQ.</summary>
public static class RabbitMqExtensions
{
    /// <summary>The transport's name in the configuration: <c>Messaging:Transport=rabbitmq</c>.</summary>
    public const string TransportName = "rabbitmq";

    private static readonly TransportType<RabbitMqOptions> Type = new(TransportName, "RabbitMq", Read, Create);

    /// <summary>Chooses RabbitMQ, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UseRabbitMq(this MessagingBuilder builder, string connectionString) =>
        builder.UseRabbitMq(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses RabbitMQ, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddRabbitMq(MessagingBuilder, Func{RabbitMqOptions, RabbitMqOptions}?)"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UseRabbitMq(this MessagingBuilder builder, Func<RabbitMqOptions, RabbitMqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(Type, configure);
    }

    /// <summary>
    /// Makes RabbitMQ available for <c>Messaging:Transport</c> to choose. The options come from <c>Messaging:RabbitMq</c> (keys are the names of
    /// <see cref="RabbitMqOptions"/>, times as <c>00:00:10</c>); the connection string, if it is not there, from <c>ConnectionStrings:RabbitMq</c>.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddRabbitMq(this MessagingBuilder builder, Func<RabbitMqOptions, RabbitMqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddTransport(Type, null, configure);
    }

    /// <summary>As <see cref="AddRabbitMq(MessagingBuilder, Func{RabbitMqOptions, RabbitMqOptions}?)"/>, under a name of its own: there may be several. The options come from <c>Messaging:Transports:&lt;name&gt;</c>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder AddRabbitMq(this MessagingBuilder builder, string name, Func<RabbitMqOptions, RabbitMqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.AddTransport(Type, name, configure);
    }

    private static RabbitMqTransport Create(IServiceProvider services, Settings settings, RabbitMqOptions options)
    {
        settings.RequireConnectionString(options.ConnectionString);
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, RabbitMqOptions.DefaultApplicationName) };
        return new RabbitMqTransport(options, services.GetService<ILoggerFactory>());
    }

    private static RabbitMqOptions Read(Settings settings)
    {
        var options = new RabbitMqOptions { ConnectionString = settings.ConnectionString() };
        var topics = settings.Section("Topics");
        foreach (var topic in topics.Names())
        {
            var mapping = topics.Section(topic);
            var headers = mapping.Section("Headers");
            options = options.Map(
                topic, mapping.Text("Exchange"), mapping.Text("RoutingKey"), headers.Names().Select(name => KeyValuePair.Create<string, object>(name, headers.Text(name) ?? "")));
        }

        return options with
        {
            ApplicationName = settings.Text(nameof(options.ApplicationName)) ?? options.ApplicationName,
            ConnectTimeout = settings.Value(nameof(options.ConnectTimeout), options.ConnectTimeout),
            CommandTimeout = settings.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            ConsumerTimeout = settings.Value(nameof(options.ConsumerTimeout), options.ConsumerTimeout),
            MaxMessageBytes = settings.Value(nameof(options.MaxMessageBytes), options.MaxMessageBytes),
            CreateTopology = settings.Value(nameof(options.CreateTopology), options.CreateTopology),
            CloudEvents = settings.Value(nameof(options.CloudEvents), options.CloudEvents),
            Tls = settings.Tls(),
        };
    }
}
