using Postrider.Core.Transport;
using Postrider.Transports.Nats;
using Postrider.Transports.RabbitMq;

namespace Postrider.Storefront.Tests;

/// <summary>The same program again on the other brokers: one setting differs.</summary>
public sealed class BrokerTests
{
    public static TheoryData<string, string> Transports => new() { { "rabbitmq", "RabbitMq" }, { "nats", "Nats" } };

    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Every_run_accounts_for_its_own_copies_and_leaves_its_dead_letters_in_their_queues(string transport, string section)
    {
        var server = Environment.GetEnvironmentVariable($"POSTRIDER_TEST_{transport.ToUpperInvariant()}");
        Assert.SkipWhen(string.IsNullOrEmpty(server), "no broker: run ./test.sh");
        var expected = Expected.Of(await File.ReadAllBytesAsync(Run.ShippedOrders));
        var environment = new Dictionary<string, string>
        {
            ["Messaging__Transport"] = transport,
            [$"Messaging__{section}__ConnectionString"] = server!,
        };
        await using var broker = Connect(transport, server!);
        await broker.DeclareAsync(new([.. expected.Consumers.Keys], []), Deadline);
        foreach (var consumer in expected.Consumers.Keys)
        {
            // What an earlier test run has left.
            await TakeAsync(broker, Names.DeadLetterQueue(consumer));
        }

        for (var runs = 1; runs <= 2; runs++)
        {
            expected.AssertOf(await Run.Storefront(default, environment));
        }

        foreach (var (consumer, (_, reasons)) in expected.Consumers)
        {
            Assert.Equal(0, await TakeAsync(broker, consumer));
            Assert.Equal(2 * reasons.Values.Sum(), await TakeAsync(broker, Names.DeadLetterQueue(consumer)));
        }
    }

    [Theory]
    [InlineData("rabbitmq", "amqp://shop:hunter2@127.0.0.1:1/")]
    [InlineData("nats", "nats://shop:hunter2@127.0.0.1:1")]
    public async Task A_broker_that_is_not_there_is_one_line_that_says_where_and_exit_code_69(string transport, string url)
    {
        var error = await StorefrontTests.AssertOneLine(69, "127.0.0.1:1", "--transport", transport, "--connection", url);

        Assert.DoesNotContain("hunter2", error);
    }

    [Theory]
    [InlineData("rabbitmq")]
    [InlineData("nats")]
    public async Task Refused_credentials_are_one_line_without_the_password_and_exit_code_77(string transport)
    {
        var server = Environment.GetEnvironmentVariable($"POSTRIDER_TEST_{transport.ToUpperInvariant()}");
        Assert.SkipWhen(string.IsNullOrEmpty(server), "no broker: run ./test.sh");
        var wrong = new UriBuilder(server!) { UserName = "nobody", Password = "hunter2" }.ToString();

        var error = await StorefrontTests.AssertOneLine(77, "Check user", "--transport", transport, "--connection", wrong);

        Assert.DoesNotContain("hunter2", error);
    }

    private static ITransport Connect(string transport, string server) => transport == "nats"
        ? new NatsTransport(new() { ConnectionString = server })
        : new RabbitMqTransport(new() { ConnectionString = server });

    /// <summary>Takes all that comes until nothing has come for a while, and counts it.</summary>
    private static async Task<long> TakeAsync(ITransport transport, string queue)
    {
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Prefetch = 1000 }, Deadline);
        for (var count = 0L; ;)
        {
            using var quiet = new CancellationTokenSource(TimeSpan.FromMilliseconds(700));
            try
            {
                var some = await receiver.ReceiveAsync(1000, quiet.Token);
                count += some.Count;
                await receiver.SettleAsync(some.Select(Settlement.Ack).ToArray(), new SettleResult[some.Count], Deadline);
            }
            catch (OperationCanceledException)
            {
                return count;
            }
        }
    }
}
