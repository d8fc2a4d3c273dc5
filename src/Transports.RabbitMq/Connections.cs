using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>The two connections of a transport: a broker that is short of memory stops reading from those that publish, and only those.</summary>
internal sealed class Connections : IAsyncDisposable
{
    /// <summary>The most that a server can be set to take.</summary>
    private const uint LargestInbound = 512 * 1024 * 1024;

    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);
    private readonly TlsClient? _tls;

    public Connections(RabbitMqOptions options, ILogger logger)
    {
        options.Validate();
        var address = Address.Parse(options.ConnectionString);
        Where = address.Where;
        Server = new(address.Host, address.Port);
        if (address.IsTls)
        {
            _tls = new(options.Tls ?? new(), "rabbitmq", logger);
        }
        else if (options.Tls is not null)
        {
            throw new MessagingConfigurationException("RabbitMqOptions.Tls is set, but ConnectionString does not begin with amqps://.");
        }

        NewLink = name => new(Factory(options, address), $"{options.ApplicationName} {name}", options.ConnectTimeout);
        Publish = NewLink("publish");
        Consume = NewLink("consume");
    }

    /// <summary>Host, port and virtual host, for messages.</summary>
    public string Where { get; }

    /// <summary>For telemetry.</summary>
    public DnsEndPoint Server { get; }

    /// <summary>A connection for something else; the caller disposes of it.</summary>
    public Func<string, Link> NewLink { get; }

    public Link Publish { get; }

    /// <summary>Also for declaring, which must go on while publishing is blocked.</summary>
    public Link Consume { get; }

    /// <summary>The channels that receive, with their queues.</summary>
    public ConcurrentDictionary<ConsumerChannel, string> Open { get; } = new();

    public TransportException Failed(Exception error, string doing) => _tls?.WhyRefused(error) is { } why
        ? new($"Cannot {doing} on RabbitMQ at {Where}: its certificate is refused, as {why}. See TlsOptions, or renew the certificate.", TransportError.NotTrusted, error)
        : RabbitMqErrors.Map(error, doing, Where);

    /// <summary>Does something on a channel of its own, since every refusal of the broker closes the channel.</summary>
    /// <remarks>A command that is under way is not cancelled, as its answer would meet the next one: the wait ends, it goes on.</remarks>
    public async ValueTask<T> WithChannelAsync<T>(string doing, Func<IChannel, Task<T>> action, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var connection = await Consume.GetAsync(cancellationToken).ConfigureAwait(false);
            return await Task.Run(() => RunAsync(connection, action), CancellationToken.None).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not ObjectDisposedException && !(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            throw Failed(e, doing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Publish.DisposeAsync().ConfigureAwait(false);
        await Consume.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<T> RunAsync<T>(IConnection connection, Func<IChannel, Task<T>> action)
    {
        var channel = await connection.CreateChannelAsync().ConfigureAwait(false);
        await using (channel.ConfigureAwait(false))
        {
            return await action(channel).ConfigureAwait(false);
        }
    }

    private ConnectionFactory Factory(RabbitMqOptions options, Address address)
    {
        var factory = new ConnectionFactory
        {
            HostName = address.Host,
            Port = address.Port,
            VirtualHost = address.VirtualHost,
            AutomaticRecoveryEnabled = false,
            TopologyRecoveryEnabled = false,
            RequestedHeartbeat = Heartbeat,
            RequestedConnectionTimeout = options.ConnectTimeout,
            HandshakeContinuationTimeout = options.ConnectTimeout,
            ContinuationTimeout = options.CommandTimeout,
            MaxInboundMessageBodySize = LargestInbound,
        };
        if (address.User is not null)
        {
            (factory.UserName, factory.Password) = (address.User, address.Password ?? "");
        }
        else if (_tls?.ClientCertificate is not null)
        {
            // The certificate says who it is.
            factory.AuthMechanisms = [new ExternalMechanismFactory()];
        }

        if (_tls is not null)
        {
            factory.Ssl = new SslOption(address.Host, enabled: true)
            {
                Version = TlsClient.Protocols,
                CertificateValidationCallback = _tls.Verify,
                Certs = _tls.ClientCertificate is { } certificate ? [certificate] : null,
            };
        }

        return factory;
    }
}
