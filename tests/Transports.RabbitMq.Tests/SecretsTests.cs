using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Whatever goes wrong, the password is in no exception, log, status, span or printed option.</summary>
public sealed class SecretsTests
{
    public static TheoryData<string> Unusable =>
    [
        $"amqp://app:{Secrets.Encoded}@127.0.0.1:1/d",
        $"amqps://app:{Secrets.Encoded}@127.0.0.1:1/d",
        $"amqp://app:{Secrets.Encoded}@:1/d",
        $"amqp://app:{Secrets.Encoded}@host:notaport/d",
        $"amqp://app:{Secrets.Encoded}@host/d?password={Secrets.Encoded}",
        $"http://app:{Secrets.Encoded}@host/",
        $"Host=127.0.0.1;Username=app;Password={Secrets.Password}",
        $"{Secrets.Password}",
    ];

    [Theory]
    [MemberData(nameof(Unusable))]
    public Task Of_a_connection_that_cannot_be_made(string connectionString) => NothingTellsAsync(connectionString);

    [Fact]
    public Task Of_a_server_that_refuses_it()
    {
        Server.Require();
        return NothingTellsAsync(new UriBuilder(Server.Url!) { Password = Secrets.Encoded }.Uri.OriginalString);
    }

    private static Task NothingTellsAsync(string connectionString)
    {
        var options = new RabbitMqOptions { ConnectionString = connectionString };
        return Secrets.NothingTellsAsync(options.ToString(), loggers => new RabbitMqTransport(options, loggers));
    }
}
