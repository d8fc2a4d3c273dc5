using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Interop.Tests;

/// <summary>The events of jetstream_bridge and pgbus, which only their bodies tell; examples by what their publishers build.</summary>
public sealed class RubyEventTests
{
    private const string Bridge =
        """
        {"event_id":"b-1","schema_version":1,"event_type":"user.created","producer":"accounts","resource_type":"user","resource_id":"42",
         "occurred_at":"2026-01-02T03:04:05Z","trace_id":"4bf92f3577b34da6","payload":{"id":"42","name":"Ada"}}
        """;

    private const string Pgbus = """{"event_id":"p-1","payload":{"order_id":7},"published_at":"2026-01-02T03:04:05.678901Z","routing_key":"orders.created"}""";

    [Fact]
    public async Task An_event_of_jetstream_bridge()
    {
        var seen = await Received.AsSeenAsync(static m => m.ReadPgbus().ReadJetStreamBridge(new Dictionary<string, string> { ["user.created"] = "users.created" }), Message(Bridge));

        Assert.Equal("""{"id":"42","name":"Ada"}""", seen.Text());
        Assert.Equal(("b-1", "users.created", "accounts", "42", "user/42"), (seen.Id, seen.Type, seen.Source, seen.Key, seen.Subject));
        Assert.Equal((new DateTimeOffset(2026, 1, 2, 3, 4, 5, default), null), (seen.OccurredAt!.Value, seen.SchemaVersion));
        Assert.Equal(("4bf92f3577b34da6", "x"), (seen.Headers["trace-id"], seen.Headers["tenant"]));
    }

    [Fact]
    public async Task An_event_of_pgbus()
    {
        var seen = await Received.AsSeenAsync(static m => m.ReadJetStreamBridge().ReadPgbus(), Message(Pgbus) with { ContentType = "application/json" });

        Assert.Equal("""{"order_id":7}""", seen.Text());
        Assert.Equal(("p-1", "orders.created", "orders.created"), (seen.Id, seen.Type, seen.Topic));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, default).AddMicroseconds(901), seen.SentAt);
    }

    [Theory]
    [InlineData("""{"number":7}""")]
    [InlineData("""{"event_id":"1","payload":{}}""")]
    [InlineData("""{"event_id":"1","event_type":"x"}""")]
    [InlineData("""{"event_id":"","event_type":"x","payload":{}}""")]
    [InlineData("""{"event_id":"1","event_type":"x","payload":{}""")]
    [InlineData("[1]")]
    [InlineData("")]
    public async Task Other_JSON_is_left_alone(string body)
    {
        var seen = await Received.AsSeenAsync(static m => m.ReadJetStreamBridge().ReadPgbus(), Message(body));
        Assert.Equal(("carrier", body), (seen.Id, seen.Text()));
    }

    [Fact]
    public async Task A_message_that_names_its_type_is_no_such_event() =>
        Assert.Equal("carrier", (await Received.AsSeenAsync(static m => m.ReadJetStreamBridge(), Message(Bridge) with { Type = "mine" })).Id);

    private static Envelope Message(string body) => new()
    {
        Id = "carrier",
        Headers = new Dictionary<string, string> { ["tenant"] = "x" },
        Body = Encoding.UTF8.GetBytes(body),
    };
}
