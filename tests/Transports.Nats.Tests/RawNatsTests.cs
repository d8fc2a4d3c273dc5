using System.Text.Json;
using Postrider.Brokers;

namespace Postrider.Transports.Nats.Tests;

/// <summary>The protocol of NATS by hand.</summary>
public sealed class RawNatsTests : OtherClientTests
{
    protected override Task RequireAsync()
    {
        Server.Require();
        return Task.CompletedTask;
    }

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UseNats(Server.ConnectionString);

    protected override Task SendAsync(string queue, string body, params (string Name, string Value)[] headers) => StoreAsync($"postrider.q.{queue}", body, headers);

    protected override Task PublishAsync(string topic, string body, params (string Name, string Value)[] headers) => StoreAsync($"postrider.t.{topic}", body, headers);

    /// <summary>From the topics' stream, from the queue's own or from that of the dead letters, whichever has it.</summary>
    protected override async Task<(string Body, IReadOnlyDictionary<string, string> Headers)> TakeAsync(string queue)
    {
        using var raw = await RawNats.ConnectAsync(Server.ConnectionString);
        if (queue.EndsWith(".dlq", StringComparison.Ordinal))
        {
            var message = JsonElement.Parse((await raw.RequestAsync($"$JS.API.STREAM.MSG.GET.postrider_q_{queue.Replace('.', '=')}", """{"seq":1}""")).Body).GetProperty("message");
            return (Text(message.GetProperty("data")), Headers(Text(message.GetProperty("hdrs"))));
        }

        var got = await raw.RequestAsync($"$JS.API.CONSUMER.MSG.NEXT.postrider_topics.{queue}", """{"batch":1,"expires":20000000000}""");
        await raw.PublishAsync(got.Reply!, "+ACK");
        return (got.Body, Headers(got.Headers));
    }

    private static async Task StoreAsync(string subject, string body, (string Name, string Value)[] headers)
    {
        using var raw = await RawNats.ConnectAsync(Server.ConnectionString);
        var answer = JsonElement.Parse((await raw.RequestAsync(subject, body, headers)).Body);
        Assert.True(answer.GetProperty("seq").GetInt64() > 0, answer.GetRawText());
    }

    private static string Text(JsonElement base64) => System.Text.Encoding.UTF8.GetString(base64.GetBytesFromBase64());

    /// <summary>As the binding of CloudEvents for NATS has it: percent-encoded.</summary>
    private static Dictionary<string, string> Headers(string lines) => lines.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Skip(1)
        .Select(static line => line.Split(": ", 2))
        .ToDictionary(static pair => pair[0] == "ce-datacontenttype" ? "content-type" : pair[0], static pair => Uri.UnescapeDataString(pair[1]));
}
