using System.Text;
using System.Text.Json;
using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Python's Pika.</summary>
public sealed class PikaTests : OtherClientTests
{
    private const string Python = "/usr/bin/python3";

    private const string Program =
        """
        import json, pika, sys

        url, what, name = sys.argv[1:]
        channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
        if what == "take":
            method, properties, body = channel.basic_get(name, auto_ack=True)
            headers = {key.replace("ce-", "no ce-").replace("cloudEvents_", "ce-"): str(value) for key, value in properties.headers.items()}
            headers["content-type"] = properties.content_type
            print(json.dumps({"body": body.decode(), "headers": headers}))
        else:
            message = json.load(sys.stdin)
            headers = {key.replace("ce-", "cloudEvents_"): value for key, value in message["headers"].items()}
            properties = pika.BasicProperties(content_type=headers.pop("content-type", None), headers=headers, delivery_mode=2)
            channel.confirm_delivery()
            channel.basic_publish("" if what == "send" else "postrider.topics", name, message["body"].encode(), properties, mandatory=True)
        channel.connection.close()
        """;

    protected override Task RequireAsync()
    {
        Server.Require();
        return OtherClient.RequireAsync(Python, "-c", "import pika");
    }

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UseRabbitMq(static options => options with { ConnectionString = Server.Url!, CloudEvents = true });

    protected override Task SendAsync(string queue, string body, params (string Name, string Value)[] headers) => RunAsync("send", queue, body, headers);

    protected override Task PublishAsync(string topic, string body, params (string Name, string Value)[] headers) => RunAsync("publish", topic, body, headers);

    protected override async Task<(string Body, IReadOnlyDictionary<string, string> Headers)> TakeAsync(string queue)
    {
        var taken = JsonElement.Parse(Encoding.UTF8.GetBytes(await RunAsync("take", queue)));
        return (taken.GetProperty("body").GetString()!, taken.GetProperty("headers").Deserialize<Dictionary<string, string>>()!);
    }

    private static Task<string> RunAsync(string what, string name, string body = "", params (string Name, string Value)[] headers) => OtherClient.RunAsync(
        Python,
        JsonSerializer.Serialize(new { body, headers = headers.ToDictionary(static one => one.Name, static one => one.Value) }),
        null,
        "-c", Program, Server.Url!, what, name);
}
