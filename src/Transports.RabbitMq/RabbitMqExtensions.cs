using Microsoft.Extensions.Configuration;
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

    /// <summary>Chooses RabbitMQ, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UseRabbitMq(this MessagingBuilder builder, string connectionString) =>
        builder.UseRabbitMq(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses RabbitMQ, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddRabbitMq"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UseRabbitMq(this MessagingBuilder builder, Func<RabbitMqOptions, RabbitMqOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(TransportName, services => Create(services, configure));
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
        return builder.AddTransport(TransportName, services => Create(services, configure));
    }

    private static RabbitMqTransport Create(IServiceProvider services, Func<RabbitMqOptions, RabbitMqOptions>? configure)
    {
        var options = Read(services.GetService<IConfiguration>());
        options = configure?.Invoke(options) ?? options;
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, RabbitMqOptions.DefaultApplicationName) };
        return new RabbitMqTransport(options, services.GetService<ILoggerFactory>());
    }

    private static RabbitMqOptions Read(IConfiguration? configuration)
    {
        if (configuration is null)
        {
            return new() { ConnectionString = "" };
        }

        var options = new RabbitMqOptions { ConnectionString = configuration.ConnectionString("RabbitMq") };
        var section = configuration.GetSection("Messaging:RabbitMq");
        return options with
        {
            ApplicationName = section[nameof(options.ApplicationName)] ?? options.ApplicationName,
            ConnectTimeout = section.Value(nameof(options.ConnectTimeout), options.ConnectTimeout),
            CommandTimeout = section.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            ConsumerTimeout = section.Value(nameof(options.ConsumerTimeout), options.ConsumerTimeout),
            MaxMessageBytes = section.Value(nameof(options.MaxMessageBytes), options.MaxMessageBytes),
            CreateTopology = section.Value(nameof(options.CreateTopology), options.CreateTopology),
            CloudEvents = section.Value(nameof(options.CloudEvents), options.CloudEvents),
            Tls = section.Tls(),
        };
    }
}
