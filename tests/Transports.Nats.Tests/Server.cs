using System.Text;
using System.Text.Json;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>The shared server, and what another client does on it. Skips where there is none.</summary>
internal static class Server
{
    public static bool IsThere => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("POSTRIDER_TEST_NATS"));

    public static string ConnectionString => Environment.GetEnvironmentVariable("POSTRIDER_TEST_NATS")!;

    public static NatsOptions Options => new() { ConnectionString = ConnectionString };

    /// <summary>For what must come: long enough for a busy machine.</summary>
    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    /// <summary>Call first in each test.</summary>
    public static void Require() => Assert.SkipUnless(IsThere, "no broker: set POSTRIDER_TEST_NATS or run ./test.sh");

    public static NatsTransport Transport() => new(Options);

    /// <summary>The client itself, without Postrider.</summary>
    public static async Task<NatsConnection> RawAsync(string? connectionString = null)
    {
        var connection = new NatsConnection(new NatsOpts { Url = connectionString ?? ConnectionString });
        await connection.ConnectAsync();
        return connection;
    }

    /// <summary>Asks the JetStream API.</summary>
    public static async Task<JsonElement> AskAsync(string what, string body = "", string? connectionString = null)
    {
        await using var raw = await RawAsync(connectionString);
        var answer = await raw.RequestAsync<string, string>("$JS.API." + what, body, cancellationToken: Deadline);
        return JsonDocument.Parse(answer.Data!).RootElement;
    }

    /// <summary>With a first word of its own: server 2.9 filters by <c>first.*</c>, so what other tests publish to topics of one word would come, and count, too.</summary>
    public static string NewTopic() => NewQueue("t") + ".placed";

    public static string NewQueue(string prefix = "q") => prefix + "-" + Guid.NewGuid().ToString("N")[..10];

    public static Envelope Message(string body, string? id = null) => new()
    {
        Id = id ?? Guid.NewGuid().ToString("N"),
        ContentType = "text/plain",
        Body = Encoding.UTF8.GetBytes(body),
    };
}

internal static class TransportExtensions
{
    public static ValueTask DeclareAsync(this ITransport transport, params string[] queues) =>
        transport.DeclareAsync(new Topology(queues, []), Server.Deadline);

    public static ValueTask BindAsync(this ITransport transport, string queue, params string[] patterns) =>
        transport.DeclareAsync(new Topology([queue], [.. patterns.Select(pattern => new Binding(pattern, queue))]), Server.Deadline);

    public static async Task<PublishResult[]> PublishAsync(this ITransport transport, params OutgoingMessage[] batch)
    {
        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Server.Deadline);
        return results;
    }

    public static Task<PublishResult[]> SendAsync(this ITransport transport, string queue, params Envelope[] envelopes) =>
        transport.PublishAsync([.. envelopes.Select(envelope => new OutgoingMessage(Destination.Queue(queue), envelope))]);

    public static ValueTask<IReceiver> OpenAsync(this ITransport transport, string queue, TimeSpan? lease = null, int prefetch = 100) =>
        transport.OpenReceiverAsync(new ReceiverOptions { Queue = queue, Lease = lease ?? TimeSpan.FromSeconds(30), Prefetch = prefetch }, Server.Deadline);

    public static async Task<SettleResult[]> SettleAsync(this IReceiver receiver, params Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await receiver.SettleAsync(batch, results, Server.Deadline);
        return results;
    }

    public static async Task<Delivery> OneAsync(this IReceiver receiver) => Assert.Single(await receiver.ReceiveAsync(1, Server.Deadline));

    /// <summary>Takes and acks so many.</summary>
    public static async Task<List<Delivery>> DrainAsync(this IReceiver receiver, int count, CancellationToken? deadline = null)
    {
        var all = new List<Delivery>();
        while (all.Count < count)
        {
            var some = await receiver.ReceiveAsync(Math.Min(100, count - all.Count), deadline ?? Server.Deadline);
            await receiver.SettleAsync([.. some.Select(Settlement.Ack)]);
            all.AddRange(some);
        }

        return all;
    }

    /// <summary>Nothing may come for a while.</summary>
    public static async Task NothingAsync(this IReceiver receiver, TimeSpan? during = null)
    {
        using var quiet = new CancellationTokenSource(during ?? TimeSpan.FromMilliseconds(400));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await receiver.ReceiveAsync(10, quiet.Token));
    }

    public static string Text(this Delivery delivery) => Encoding.UTF8.GetString(delivery.Envelope.Body.Span);
}
