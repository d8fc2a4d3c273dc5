using System.Text;
using System.Text.Json;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Topics that go to subjects of streams which others have made.</summary>
public sealed class MappingTests
{
    private readonly string _subject = Server.NewQueue("Legacy") + ".orders.created";
    private readonly string _topic = Server.NewTopic();

    [Fact]
    public async Task A_message_goes_to_the_stream_of_the_subject_and_nowhere_else()
    {
        Server.Require();
        var stream = await MakeStreamAsync();
        await using var transport = new NatsTransport(Server.Options.MapTopic(_topic, _subject));
        var own = Server.NewQueue();
        await transport.BindAsync(own, _topic, _topic + ".end");

        // The same message twice is one, as on a topic of ours.
        var results = await transport.PublishAsync(OnTopic("1", "m"), OnTopic("1", "m"), OnTopic("end", topic: _topic + ".end"));

        Assert.Equal([PublishStatus.Stored, PublishStatus.Duplicate, PublishStatus.Stored], results.Select(static one => one.Status));
        var message = (await Server.AskAsync($"STREAM.MSG.GET.{stream}", """{"seq":1}""")).GetProperty("message");
        Assert.Equal(("1", _subject), (Encoding.UTF8.GetString(message.GetProperty("data").GetBytesFromBase64()), message.GetProperty("subject").GetString()));
        Assert.Contains($"x-postrider-topic: {_topic}\r\n", Encoding.UTF8.GetString(message.GetProperty("hdrs").GetBytesFromBase64()), StringComparison.Ordinal);
        await using var receiver = await transport.OpenAsync(own);
        Assert.Equal("end", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_subject_that_no_stream_takes_is_an_error_of_its_messages_alone()
    {
        Server.Require();
        await using var transport = new NatsTransport(Server.Options.MapTopic(_topic, _subject));
        var own = Server.NewQueue();
        await transport.DeclareAsync(own);

        var results = await transport.PublishAsync(new(Destination.Queue(own), Server.Message("1")), OnTopic("2"), new(Destination.Queue(own), Server.Message("3")));

        Assert.Equal([PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Stored], results.Select(static one => one.Status));
        Refused.Is(results[1], $"'{_topic}', which is mapped to the subject '{_subject}'", "no stream takes it");
        await MakeStreamAsync();
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(OnTopic("2"))).Status);
    }

    [Fact]
    public async Task A_delay_is_refused()
    {
        Server.Require();
        await MakeStreamAsync();
        await using var transport = new NatsTransport(Server.Options.MapTopic(_topic, _subject));
        Refused.Is(Assert.Single(await transport.PublishAsync(OnTopic("1") with { Delay = TimeSpan.FromSeconds(1) })), "with a delay", _subject);
    }

    [Theory]
    [InlineData("a.#", "x", "illegal")]
    [InlineData("a", "", "missing")]
    [InlineData("a", "x y", "without spaces")]
    [InlineData("a", "x..y", "single dots")]
    [InlineData("a", ".x", "single dots")]
    [InlineData("a", "x.*", "none is '*'")]
    [InlineData("a", "x.>", "none is '*'")]
    [InlineData("a", "$JS.API.x", "server's own")]
    [InlineData("a", "postrider.t.x", "Postrider's own")]
    public void Mappings_that_make_no_sense_are_refused(string topic, string subject, string why)
    {
        var options = new NatsOptions { ConnectionString = "nats://h" }.MapTopic(topic, subject);
        var e = Assert.Throws<MessagingConfigurationException>(() => new NatsTransport(options));
        Assert.Contains($"cannot map the topic '{topic}'", e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    private OutgoingMessage OnTopic(string body, string? id = null, string? topic = null) =>
        new(Destination.Topic(topic ?? _topic), Server.Message(body, id) with { Topic = topic ?? _topic });

    private async Task<string> MakeStreamAsync()
    {
        var stream = Server.NewQueue("LEGACY");
        var answer = await Server.AskAsync($"STREAM.CREATE.{stream}", JsonSerializer.Serialize(new { name = stream, subjects = (string[])[_subject] }));
        Assert.False(answer.TryGetProperty("error", out var error), error.ToString());
        return stream;
    }
}
