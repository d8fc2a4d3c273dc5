using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>The real server, and a client of RabbitMQ as anybody else has it.</summary>
internal static class Server
{
    public static string? Url => Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");

    /// <summary>For what must come: long enough for a busy machine.</summary>
    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public static RabbitMqOptions Options => new() { ConnectionString = Url! };

    /// <summary>Call first in each test.</summary>
    public static void Require() => Assert.SkipWhen(string.IsNullOrEmpty(Url), "no broker: set POSTRIDER_TEST_RABBITMQ or run ./test.sh");

    public static RabbitMqTransport Transport(string? url = null) => new(new() { ConnectionString = url ?? Url! });

    public static string NewQueue(string prefix = "q") => prefix + "-" + Guid.NewGuid().ToString("N")[..10];

    public static Envelope Message(string body, string? id = null) => new()
    {
        Id = id ?? Guid.NewGuid().ToString("N"),
        ContentType = "application/json",
        Body = Encoding.UTF8.GetBytes(body),
    };

    /// <summary>Does something with the plain client.</summary>
    public static async Task<T> RawAsync<T>(Func<IChannel, Task<T>> action, string? url = null)
    {
        await using var connection = await new ConnectionFactory { Uri = new(url ?? Url!) }.CreateConnectionAsync(Deadline);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Deadline);
        return await action(channel);
    }

    public static Task RawAsync(Func<IChannel, Task> action, string? url = null) => RawAsync(
        async channel =>
        {
            await action(channel);
            return true;
        },
        url);

    public static Task DeleteQueueAsync(string queue, string? url = null) => RawAsync(channel => channel.QueueDeleteAsync(queue, cancellationToken: Deadline), url);

    /// <summary>Waits until it is so.</summary>
    public static Task IsAsync(Func<bool> condition) => IsAsync(() => Task.FromResult(condition()));

    /// <summary>Waits until it is so.</summary>
    public static async Task IsAsync(Func<Task<bool>> condition)
    {
        var deadline = Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!await condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }
}

internal static class TransportExtensions
{
    public static ValueTask DeclareAsync(this ITransport transport, params string[] queues) => transport.DeclareAsync(new Topology(queues, []), Server.Deadline);

    public static async Task<PublishResult[]> PublishAsync(this ITransport transport, params OutgoingMessage[] batch)
    {
        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Server.Deadline);
        return results;
    }

    public static Task<PublishResult[]> SendAsync(this ITransport transport, string queue, params Envelope[] envelopes) =>
        transport.PublishAsync([.. envelopes.Select(envelope => new OutgoingMessage(Destination.Queue(queue), envelope))]);

    public static Task<PublishResult[]> SendAsync(this ITransport transport, string queue, TimeSpan delay, params Envelope[] envelopes) =>
        transport.PublishAsync([.. envelopes.Select(envelope => new OutgoingMessage(Destination.Queue(queue), envelope, delay))]);

    public static ValueTask<IReceiver> OpenAsync(this ITransport transport, string queue) =>
        transport.OpenReceiverAsync(new ReceiverOptions { Queue = queue }, Server.Deadline);

    public static async Task<SettleResult[]> SettleAsync(this IReceiver receiver, params Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await receiver.SettleAsync(batch, results, Server.Deadline);
        return results;
    }

    public static async Task<Delivery> OneAsync(this IReceiver receiver) => Assert.Single(await receiver.ReceiveAsync(1, Server.Deadline));

    public static string Text(this Delivery delivery) => Encoding.UTF8.GetString(delivery.Envelope.Body.Span);
}
