using Npgsql;
using Postrider.Brokers;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Whatever goes wrong, the password is in no exception, log, status, span or printed option.</summary>
public sealed class SecretsTests(Database database) : IClassFixture<Database>
{
    public static TheoryData<string> Unusable =>
    [
        $"Host=127.0.0.1;Port=1;Username=app;Password={Secrets.Password};Database=d",
        $"postgres://app:{Secrets.Encoded}@127.0.0.1:1/d",
        $"Host=127.0.0.1;Username=app;Passwrd={Secrets.Password}",
        $"Username=app;Password={Secrets.Password}",
        $"Host=127.0.0.1;Port={Secrets.Password};Username=app",
        $"Host=127.0.0.1;Username=app;Password=\"{Secrets.Password}",
        $"postgres://app:{Secrets.Encoded}@:1/d",
        $"postgres://app:{Secrets.Encoded}@host:notaport/d",
        $"{Secrets.Password}",
    ];

    [Theory]
    [MemberData(nameof(Unusable))]
    public Task Of_a_connection_that_cannot_be_made(string connectionString) => NothingTellsAsync(connectionString);

    [Fact]
    public Task Of_a_server_that_refuses_it()
    {
        Database.Require();
        var wrong = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Password = Secrets.Password };
        return NothingTellsAsync(wrong.ConnectionString);
    }

    private static Task NothingTellsAsync(string connectionString)
    {
        var options = new PgmqOptions { ConnectionString = connectionString };
        return Secrets.NothingTellsAsync(options.ToString(), loggers => new PgmqTransport(options, loggers));
    }
}
