using Microsoft.Extensions.Logging;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

public sealed class NatsTlsTests : TlsTests
{
    protected override string Kind => "nats";

    protected override string? PlainServer => Server.IsThere ? Server.ConnectionString : null;

    protected override string Sample => "nats://127.0.0.1";

    protected override void Configure(DirectoryInfo folder) => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), """
        tls { cert_file: "@DIR@/server.pem", key_file: "@DIR@/server.key", ca_file: "@DIR@/ca.pem", verify: true }

        """);

    protected override string Secure(string connectionString, string host) =>
        new UriBuilder(connectionString) { Scheme = "tls", Host = host }.ToString();

    protected override ITransport Connect(string connectionString, TlsOptions? tls, ILoggerFactory loggers) =>
        new NatsTransport(new() { ConnectionString = connectionString, Tls = tls }, loggers);
}
