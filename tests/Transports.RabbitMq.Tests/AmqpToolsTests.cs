using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>The command line of librabbitmq, which knows bodies, content types and headers, and no other properties.</summary>
public sealed class AmqpToolsTests
{
    private const string Publish = "/usr/bin/amqp-publish";
    private const string Get = "/usr/bin/amqp-get";

    /// <summary>To them a slash at the end is a virtual host without a name.</summary>
    private static string Url => Server.Url!.TrimEnd('/');

    [Fact]
    public async Task What_the_tools_publish_is_consumed_and_they_get_the_bare_payload_that_is_sent()
    {
        Server.Require();
        await OtherClient.RequireAsync(Publish, "--help");
        await OtherClient.RequireAsync(Get, "--help");
        var (inward, outward, topic) = (Server.NewQueue(), Server.NewQueue(), Server.NewQueue("t"));
        var handled = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var transport = Server.Transport();
        await transport.DeclareAsync(outward);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddMessaging().UseRabbitMq(Server.Url!).AddConsumer<Order>(
            inward,
            (order, context, _) =>
            {
                handled.TrySetResult($"{order.Number} {context.MessageType} {context.Headers["region"]} {context.Topic}");
                return new(Outcome.Ack);
            },
            options => options with { Topics = [topic] });
        using var host = builder.Build();
        await host.StartAsync(Server.Deadline);
        await host.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Server.Deadline);

        await OtherClient.RunAsync(
            Publish, "", null, "--url", Url, "-e", "postrider.topics", "-r", topic, "-p", "-C", "application/json",
            "-H", "cloudEvents_type: tools.order", "-H", "region: eu", "-b", """{"number": 7}""");
        await host.Services.GetRequiredService<IMessageBus>().SendAsync(outward, new Order(8), cancellationToken: Server.Deadline);

        Assert.Equal($"7 tools.order eu {topic}", await handled.Task.WaitAsync(Server.Deadline));
        Assert.Equal("""{"number":8}""", await OtherClient.RunAsync(Get, "", null, "--url", Url, "-q", outward));
        await host.StopAsync(Server.Deadline);
    }

    [Message("tools.order")]
    private sealed record Order(int Number);
}
