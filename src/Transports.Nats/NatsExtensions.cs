using Microsoft.Extensions.Configuration;
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

    /// <summary>Chooses NATS JetStream, whatever <c>Messaging:Transport</c> says, with this connection string.</summary>
    public static MessagingBuilder UseNats(this MessagingBuilder builder, string connectionString) =>
        builder.UseNats(options => options with { ConnectionString = connectionString });

    /// <summary>Chooses NATS JetStream, whatever <c>Messaging:Transport</c> says. The options come from the configuration as for <see cref="AddNats"/>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    /// <exception cref="MessagingConfigurationException">At start: an option is wrong, or there is no connection string.</exception>
    public static MessagingBuilder UseNats(this MessagingBuilder builder, Func<NatsOptions, NatsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseTransport(TransportName, services => Create(services, configure));
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
        return builder.AddTransport(TransportName, services => Create(services, configure));
    }

    private static NatsTransport Create(IServiceProvider services, Func<NatsOptions, NatsOptions>? configure)
    {
        var options = Read(services.GetService<IConfiguration>());
        options = configure?.Invoke(options) ?? options;
        options = options with { ApplicationName = services.ApplicationName(options.ApplicationName, NatsOptions.DefaultApplicationName) };
        return new NatsTransport(options, services.GetService<ILoggerFactory>());
    }

    private static NatsOptions Read(IConfiguration? configuration)
    {
        if (configuration is null)
        {
            return new() { ConnectionString = "" };
        }

        var options = new NatsOptions { ConnectionString = configuration.ConnectionString("Nats") };
        var section = configuration.GetSection("Messaging:Nats");
        return options with
        {
            Token = section[nameof(options.Token)],
            NKeySeed = section[nameof(options.NKeySeed)],
            NKeyFile = section[nameof(options.NKeyFile)],
            CredentialsFile = section[nameof(options.CredentialsFile)],
            Tls = section.Tls(),
            ApplicationName = section[nameof(options.ApplicationName)] ?? options.ApplicationName,
            ConnectTimeout = section.Value(nameof(options.ConnectTimeout), options.ConnectTimeout),
            CommandTimeout = section.Value(nameof(options.CommandTimeout), options.CommandTimeout),
            Prefix = section[nameof(options.Prefix)] ?? options.Prefix,
            Replicas = section.Value(nameof(options.Replicas), options.Replicas),
            Storage = section[nameof(options.Storage)] switch
            {
                null => options.Storage,
                var text when text.Equals(nameof(NatsStorage.File), StringComparison.OrdinalIgnoreCase) => NatsStorage.File,
                var text when text.Equals(nameof(NatsStorage.Memory), StringComparison.OrdinalIgnoreCase) => NatsStorage.Memory,
                _ => throw new MessagingConfigurationException("Messaging:Nats:Storage cannot be read: it is File or Memory."),
            },
            DuplicateWindow = section.Value(nameof(options.DuplicateWindow), options.DuplicateWindow),
            CreateTopology = section.Value(nameof(options.CreateTopology), options.CreateTopology),
            ServerSyncsAlways = section.Value(nameof(options.ServerSyncsAlways), options.ServerSyncsAlways),
        };
    }
}
