using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Messages that are text or bytes: nothing serializes them, and who consumes them takes what no other does.</summary>
public abstract class RawMessageScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.CorruptsBodies, Fault.ForgetsMetadata)]
    public async Task Text_and_bytes_travel_as_they_are()
    {
        var (texts, bytes, topic) = (NewName(), NewName(), $"{NewName()}.raw");
        var seen = new Happenings<(string Queue, string Body, string? ContentType, string? Type, string? Key)>(Time, Fixture.Patience);
        ValueTask<Outcome> See(ConsumeContext context, string body)
        {
            seen.Add((context.Queue, body, context.ContentType, context.MessageType, context.Key));
            return new(Outcome.Ack);
        }

        var host = await StartHostAsync(messaging => messaging
            .AddConsumer<string>(texts, (text, context, _) => See(context, text))
            .AddConsumer<byte[]>(bytes, (body, context, _) => See(context, Convert.ToHexString(body)), On(topic)));

        await host.Bus.SendAsync(texts, "zwölf 💌 {", new() { Key = "k" });
        await host.Bus.SendAsync(texts, "{\"a\": 1}", new() { ContentType = "application/json", MessageType = "somebody.elses" });
        await host.Bus.PublishAsync(new byte[] { 0, 255, 10 }, new() { Topic = topic });
        await host.Bus.SendAsync(bytes, (ReadOnlyMemory<byte>)new byte[] { 1, 2 }, new() { ContentType = "image/png" });

        Assert.Equal(
            [
                (bytes, "0102", "image/png", null, null),
                (bytes, "00FF0A", "application/octet-stream", null, null),
                (texts, "{\"a\": 1}", "application/json", "somebody.elses", null),
                (texts, "zwölf 💌 {", "text/plain; charset=utf-8", null, "k"),
            ],
            (await seen.ReachAsync(4)).OrderBy(static one => one.Body.Length));
    }

    [Scenario(Fault.DropsMessages)]
    public async Task A_consumer_of_bytes_takes_the_types_that_no_other_takes()
    {
        var queue = NewName();
        var seen = new Happenings<string>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging
            .AddConsumer<Job>(queue, (job, _, _) =>
            {
                seen.Add($"job {job.Number}");
                return new(Outcome.Ack);
            })
            .AddConsumer<byte[]>(queue, (_, context, _) =>
            {
                seen.Add($"other {context.MessageType}");
                return new(Outcome.Ack);
            }));

        await host.Bus.SendAsync(queue, new Job(7));
        await SendRawAsync(queue, Message() with { Type = "somebody.elses" });
        await SendRawAsync(queue, new() { Id = Guid.NewGuid().ToString("N"), Body = "x"u8.ToArray() });

        Assert.Equal(["job 7", "other ", "other somebody.elses"], (await seen.ReachAsync(3)).Order(StringComparer.Ordinal));
    }
}
