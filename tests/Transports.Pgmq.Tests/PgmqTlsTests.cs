using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

public sealed class PgmqTlsTests : TlsTests
{
    protected override string Kind => "postgres";

    protected override string? PlainServer => Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");

    protected override string Sample => "Host=127.0.0.1";

    protected override void Configure(DirectoryInfo folder)
    {
        File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), """
            ssl = on
            ssl_cert_file = '@DIR@/server.pem'
            ssl_key_file = '@DIR@/server.key'
            ssl_ca_file = '@DIR@/ca.pem'

            """);
        File.WriteAllText(Path.Combine(folder.FullName, "extra.hba"), "hostssl all all all scram-sha-256 clientcert=verify-ca\n");
    }

    protected override string Secure(string connectionString, string host) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Host = host, SslMode = SslMode.VerifyFull }.ConnectionString;

    protected override ITransport Connect(string connectionString, TlsOptions? tls, ILoggerFactory loggers) =>
        new PgmqTransport(new() { ConnectionString = connectionString, Tls = tls }, loggers);

    [Fact]
    public async Task A_connection_string_can_say_it_all_and_requiring_tls_is_verifying_it()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        using var authority = new TestAuthority("right");
        var client = default((string Certificate, string Key));
        await using var server = await StartAsync(authority, expired: false, folder => client = authority.Issue(folder, "postrider"));
        var text = new NpgsqlConnectionStringBuilder(server.ConnectionString)
        {
            SslMode = SslMode.Require,
            SslCertificate = client.Certificate,
            SslKey = client.Key,
        };

        await RefusesAsync(text.ConnectionString, null, "not valid");
        text.RootCertificate = Path.Combine(server.Folder, "ca.pem");
        await WorksAsync(text.ConnectionString, null);
        text.Host = "localhost";
        await RefusesAsync(text.ConnectionString, null, "another host");
    }
}
