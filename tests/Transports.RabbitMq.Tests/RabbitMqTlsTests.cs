using Microsoft.Extensions.Logging;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

public sealed class RabbitMqTlsTests : TlsTests
{
    /// <summary>Beside the plain port, by which the script finds out that the server is ready.</summary>
    private readonly int _port = 32_000 + Random.Shared.Next(700);

    protected override string Kind => "rabbitmq";

    protected override string? PlainServer => Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");

    protected override string Sample => "amqp://127.0.0.1";

    protected override void Configure(DirectoryInfo folder) => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), $"""
        listeners.ssl.1 = 127.0.0.1:{_port}
        ssl_options.cacertfile = @DIR@/ca.pem
        ssl_options.certfile = @DIR@/server.pem
        ssl_options.keyfile = @DIR@/server.key
        ssl_options.verify = verify_peer
        ssl_options.fail_if_no_peer_cert = true

        """);

    protected override string Secure(string connectionString, string host) => new UriBuilder(connectionString)
    {
        Scheme = "amqps",
        Host = host,
        Port = connectionString == PlainServer ? new Uri(connectionString).Port : _port,
    }.ToString();

    protected override ITransport Connect(string connectionString, TlsOptions? tls, ILoggerFactory loggers) =>
        new RabbitMqTransport(new() { ConnectionString = connectionString, Tls = tls }, loggers);
}
