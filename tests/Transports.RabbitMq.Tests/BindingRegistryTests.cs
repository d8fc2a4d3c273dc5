using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>The stream in which bindings are noted for delayed publishes stays small, and forgets no binding.</summary>
[Collection("What bindings are noted")]
public sealed class BindingRegistryTests
{
    private static readonly string? Server = Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");

    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    [Fact]
    public async Task Bindings_outlive_the_marks_that_push_them_out()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Server), "no broker: run ./test.sh");
        var name = $"registry-{Guid.NewGuid():n}"[..20];
        await using var transport = Connect();
        await transport.DeclareAsync(new([name], [new($"{name}.#", name)]), Deadline);
        await using var connection = await new ConnectionFactory { Uri = new(Server!) }.CreateConnectionAsync(Deadline);
        await using var channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), Deadline);

        // Three times of what is kept, as marks of others.
        var mark = Encoding.ASCII.GetBytes("?" + new string('x', 900));
        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 11_000).Select(_ => channel.BasicPublishAsync("", BindingRegistry.Stream, mark, Deadline).AsTask()));
            Assert.Equal(PublishStatus.Stored, await PublishDelayedAsync(transport, name));
        }

        await using var stranger = Connect();
        Assert.Equal(PublishStatus.Stored, await PublishDelayedAsync(stranger, name));
        Assert.NotEqual(0, await FirstOffsetAsync(connection));
    }

    private static RabbitMqTransport Connect() => new(new() { ConnectionString = Server! });

    private static async Task<PublishStatus> PublishDelayedAsync(RabbitMqTransport transport, string topic)
    {
        var results = new PublishResult[1];
        await transport.PublishAsync(
            new OutgoingMessage[] { new(Destination.Topic(topic), new() { Id = Guid.NewGuid().ToString("n") }, TimeSpan.FromHours(1)) }, results, Deadline);
        return results[0].Status;
    }

    private static async Task<long> FirstOffsetAsync(IConnection connection)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Deadline);
        await channel.BasicQosAsync(0, 1, global: false, Deadline);
        var first = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new RabbitMQ.Client.Events.AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            first.TrySetResult((long)delivery.BasicProperties.Headers!["x-stream-offset"]!);
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(
            BindingRegistry.Stream, autoAck: false, "", noLocal: false, exclusive: false, new Dictionary<string, object?> { ["x-stream-offset"] = "first" }, consumer, Deadline);
        return await first.Task.WaitAsync(Deadline);
    }
}
