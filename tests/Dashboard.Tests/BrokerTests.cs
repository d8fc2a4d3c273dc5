using Npgsql;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>The same pages on each real broker.</summary>
public sealed class BrokerTests
{
    [Fact]
    public async Task On_PGMQ()
    {
        var server = Required("POSTRIDER_TEST_PGMQ");
        var database = "page_test_" + Guid.NewGuid().ToString("N")[..12];
        await AdministerAsync(server, $"create database {database}");
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(server) { Database = database }.ConnectionString;
            await WalkAsync(messaging => messaging.UsePgmq(connection));
        }
        finally
        {
            await AdministerAsync(server, $"drop database {database} with (force)");
        }
    }

    [Fact]
    public async Task On_RabbitMQ()
    {
        var server = Required("POSTRIDER_TEST_RABBITMQ");
        await WalkAsync(messaging => messaging.UseRabbitMq(server));
    }

    [Fact]
    public async Task On_NATS()
    {
        var server = Required("POSTRIDER_TEST_NATS");
        await WalkAsync(messaging => messaging.UseNats(server));
    }

    private static string Required(string variable)
    {
        var server = Environment.GetEnvironmentVariable(variable);
        Assert.SkipWhen(string.IsNullOrEmpty(server), $"no broker: set {variable} or run ./test.sh");
        return server!;
    }

    private static async Task WalkAsync(Action<MessagingBuilder> use)
    {
        const string attack = "<script>alert('ä 鍵')</script>\u202E";
        var queue = "page-" + Guid.NewGuid().ToString("N")[..10];
        var other = queue + "-by-hand";
        await using var app = await App.StartAsync(messaging =>
        {
            use(messaging);
            messaging
                .AddConsumer<Order>(
                    queue, static (_, _, _) => throw new InvalidOperationException(attack), static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 1 } })
                .AddConsumer<Order>(other, static (_, _, _) => new(Outcome.DeadLetter("not by hand either")));
        });
        for (var i = 1; i <= 4; i++)
        {
            await app.Bus.SendAsync(queue, new Order(i), new() { MessageId = $"{queue}-{i}", Headers = new Dictionary<string, string> { ["note"] = attack } });
            await app.HasAsync(queue, i);
        }

        var list = await app.OpenAsync($"/dead-letters/letters?queue={queue}&reason=exhausted");
        Assert.Equal([$"{queue}-1", $"{queue}-2", $"{queue}-3", $"{queue}-4"], list.Ids());
        var letter = await list.FollowAsync($"{queue}-1");
        Assert.Equal(2, letter.QuerySelectorAll("dd, td").Count(static one => one.TextContent == "<script>alert('ä 鍵')</script>⟦U+202E⟧"));

        var edited = await letter.Fill("body", "{\"number\":77}").PressAsync("Replay as edited");
        Assert.Contains("1 done, and that was all.", edited.Text(), StringComparison.Ordinal);
        await Eventually.IsAsync(async () => await ActionTests.ListAsync(app, queue) is [_, _, _, var last] && last.Envelope.Body.Span.IndexOf("77"u8) > 0);

        list = await app.OpenAsync($"/dead-letters/letters?queue={queue}");
        var moved = await list.Select($"{queue}-2", $"{queue}-3").Fill("to-selected", other).PressAsync("move-selected");
        Assert.Contains("2 done, and that was all.", moved.Text(), StringComparison.Ordinal);
        await app.HasAsync(other, 2);

        var question = await (await app.OpenAsync($"/dead-letters/letters?queue={queue}&id={queue}-4")).PressAsync("discard-all");
        Assert.Contains("1 fit now.", question.Text(), StringComparison.Ordinal);
        Assert.Contains("1 done, and that was all.", (await question.PressAsync("discard-all")).Text(), StringComparison.Ordinal);
        Assert.Equal([$"{queue}-1"], await ActionTests.IdsAsync(app, queue));
    }

    private static async Task AdministerAsync(string server, string sql)
    {
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(server) { Database = "postgres", Pooling = false }.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
