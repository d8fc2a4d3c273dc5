using Postrider.Brokers;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Whatever goes wrong, the password is in no exception, log, status, span or printed option.</summary>
public sealed class SecretsTests
{
    public static TheoryData<string> Unusable =>
    [
        $"nats://app:{Secrets.Encoded}@127.0.0.1:1",
        $"nats://{Secrets.Encoded}@127.0.0.1:1",
        $"nats://app:{Secrets.Encoded}@host:notaport",
        $"http://app:{Secrets.Encoded}@host",
        $"nats://app:{Secrets.Encoded}@a:1,tls://app:{Secrets.Encoded}@b:1",
        $"nats://app:{Secrets.Encoded}@:1",
        $"{Secrets.Password}",
    ];

    [Theory]
    [MemberData(nameof(Unusable))]
    public Task Of_a_connection_that_cannot_be_made(string connectionString) => NothingTellsAsync(new() { ConnectionString = connectionString });

    [Fact]
    public Task Of_a_server_that_refuses_the_password()
    {
        Server.Require();
        return NothingTellsAsync(new() { ConnectionString = new UriBuilder(Server.ConnectionString) { Password = Secrets.Encoded }.ToString() });
    }

    [Fact]
    public Task Of_a_token() => NothingTellsAsync(new() { ConnectionString = "nats://127.0.0.1:1", Token = Secrets.Password });

    [Fact]
    public Task Of_a_seed_that_cannot_be_read() => NothingTellsAsync(new() { ConnectionString = "nats://127.0.0.1:1", NKeySeed = "SU" + Secrets.Password });

    private static Task NothingTellsAsync(NatsOptions options) =>
        Secrets.NothingTellsAsync(options.ToString(), loggers => new NatsTransport(options, loggers));
}
