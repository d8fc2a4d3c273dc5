using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>What goes in comes out, through the real columns; and whatever others put there does no harm.</summary>
public sealed class EnvelopeTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task Every_property_and_colliding_headers_come_back()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        var sent = new Envelope
        {
            Id = "id-1",
            Type = "orders.placed",
            ContentType = "application/vnd.x+json; charset=utf-8",
            Body = "[1,2]"u8.ToArray(),
            SentAt = new DateTimeOffset(2026, 11, 22, 12, 30, 1, 234, TimeSpan.FromHours(2)).AddTicks(5678),
            Topic = "orders.placed.eu",
            Source = "shop",
            Key = "customer \"7\" \\ ß",
            CorrelationId = "flow",
            Attempt = 4,
            TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            TraceState = "a=b",
            Baggage = "k=v",
            Headers = new Dictionary<string, string>
            {
                ["plain"] = "x",
                ["Content-Type"] = "not the content type",
                ["content-type"] = "nor this",
                ["ce-id"] = "spoof",
                ["ce-extension"] = "kept",
                ["traceparent"] = "spoof",
                ["x-postrider-attempt"] = "99",
                ["x-postrider-reads"] = "99",
                ["x-postrider-body"] = "base64",
                ["x-postrider-user-x"] = "nested",
                ["x-pgmq-group"] = "g",
                [""] = "",
                ["emoji \U0001F600"] = "line\nbreak \u2028 </script>",
            },
        };

        await transport.SendAsync(queue, sent);
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();

        Assert.Equal("[1, 2]", got.Text());
        Assert.Equal(sent.Headers.OrderBy(h => h.Key, StringComparer.Ordinal), got.Envelope.Headers.OrderBy(h => h.Key, StringComparer.Ordinal));
        Assert.Equal(sent with { Body = default, Headers = Envelope.NoHeaders }, got.Envelope with { Body = default, Headers = Envelope.NoHeaders });
        Assert.Equal(0, got.Redeliveries);
    }

    public static TheoryData<string, string?, byte[]> Bodies()
    {
        var data = new TheoryData<string, string?, byte[]>();
        void Add(string name, string? type, byte[] body) => data.Add(name, type, body);
        const string json = "application/json";
        Add("empty", json, []);
        Add("empty, no type", null, []);
        Add("text", "text/plain", "hello"u8.ToArray());
        Add("no type", null, "{}"u8.ToArray());
        Add("all bytes", "application/octet-stream", [.. Enumerable.Range(0, 256).Select(i => (byte)i)]);
        foreach (var text in (string[])["{", "nul", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "\"\\u0000\"", "{\"\\u0000\":1}", "\"\\ud800\"", "\"\\udc00\\ud800\"",
            "[1e3]", "[1E3]", "-0", "[-0.0]", "{\"o\":{\"x\":1,\"x\":1}}", "[{\"a\":1,\"b\":{\"a\":2},\"a\":3}]", "1 2", "{} x", "\"tab\tinside\"", "'a'", "{a:1}", "[1,]", "// c\n1", "NaN"])
        {
            Add(text, json, Encoding.UTF8.GetBytes(text));
        }

        Add("byte order mark", json, [0xEF, 0xBB, 0xBF, (byte)'1']);
        Add("bad UTF-8", json, [(byte)'"', 0xC3, (byte)'"']);
        Add("deep", json, Encoding.UTF8.GetBytes(new string('[', 65) + new string(']', 65)));
        Add("very deep", json, Encoding.UTF8.GetBytes(new string('[', 20_000)));
        Add("long number", json, Encoding.UTF8.GetBytes(new string('9', 200_000)));
        Add("many keys, two alike", json, Encoding.UTF8.GetBytes("{" + string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"k{i}\":0")) + ",\"k7\":1}"));
        return data;
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Bodies_that_jsonb_would_change_come_back_byte_by_byte(string name, string? contentType, byte[] body)
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, new Envelope { Id = "1", ContentType = contentType, Body = body })).Status);
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();
        Assert.True(body.AsSpan().SequenceEqual(got.Envelope.Body.Span), name);
        Assert.Equal(contentType, got.Envelope.ContentType);
        Assert.Null(got.Defect);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\"gr\\u00f6\\u00dfe \\ud83d\\ude00 \\\\u0000 \\n\"", "\"größe 😀 \\\\u0000 \\n\"")]
    [InlineData("{\"b\" : 1.10, \"a\":-12.0}", "{\"a\": -12.0, \"b\": 1.10}")]
    [InlineData("{\"gr\\u00f6\\u00dfe\":{\"gr\\u00f6\\u00dfe\":1}}", "{\"größe\": {\"größe\": 1}}")]
    [InlineData("[{\"a\": 1}, {\"a\": 2}, {\"b\": {\"a\": 3}, \"a\": 4}]", "[{\"a\": 1}, {\"a\": 2}, {\"a\": 4, \"b\": {\"a\": 3}}]")]
    public async Task Ordinary_json_is_stored_as_json(string body, string? expected = null)
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message(body));
        Assert.Equal(expected ?? body, await database.ScalarAsync<string>($"select message::text from pgmq.q_{TableName.Of(queue)}"));
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(expected ?? body, (await receiver.OneAsync()).Text());
    }

    [Theory]
    [InlineData("null", "null", "")]
    [InlineData("'5'", "'5'", "5")]
    [InlineData("'\"x\"'", "'[1, 2]'", "\"x\"")]
    [InlineData("'{}'", "'\"text\"'", "{}")]
    [InlineData("'{}'", "'{}'", "{}")]
    [InlineData("'1'", "'{\"ce-id\": 5, \"ce-time\": \"yesterday\", \"x-postrider-attempt\": \"many\", \"x-postrider-reads\": [1], \"content-type\": null}'", "1")]
    [InlineData("'1'", "'{\"ce-id\": {\"a\": [1, {\"b\": 2}]}, \"ce-time\": {\"x\": 1}, \"x-postrider-attempt\": -7, \"x-postrider-unknown\": {\"deep\": [1]}, \"ok\": \"yes\"}'", "1")]
    [InlineData("'1'", "'{\"x-postrider-attempt\": 99999999999999, \"x-postrider-reads\": 1e400, \"x-postrider-reason\": \"from the future\"}'", "1")]
    public async Task Odd_messages_of_others_are_read(string message, string headers, string body)
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await database.SqlAsync($"insert into pgmq.q_{TableName.Of(queue)} (vt, message, headers) values (now(), {message}::jsonb, {headers}::jsonb)");
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();
        Assert.Equal(body, got.Text());
        Assert.NotEmpty(got.Envelope.Id);
        Assert.True(got.Envelope.Attempt >= 1);
        Assert.True(got.Redeliveries >= 0);
        Assert.Null(got.Defect);
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Retry(got, TimeSpan.Zero))).Status);
        var again = await receiver.OneAsync();
        Assert.Equal((got.Envelope.Attempt + 1, 0, body), (again.Envelope.Attempt, again.Redeliveries, again.Text()));
    }

    [Theory]
    [InlineData("'{\"a\": 1}'")]
    [InlineData("'\"not base64!\"'")]
    [InlineData("'\"QUJ\"'")]
    [InlineData("'\"\\u0022\"'")]
    [InlineData("'5'")]
    [InlineData("null")]
    public async Task A_damaged_raw_body_is_a_defect_and_dead_letters_as_it_is(string message)
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await database.SqlAsync($$"""insert into pgmq.q_{{TableName.Of(queue)}} (vt, message, headers) values (now(), {{message}}::jsonb, '{"x-postrider-body": "base64", "odd": [1]}')""");
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();
        Assert.NotNull(got.Defect);
        var info = new DeadLetterInfo { Reason = DeadLetterReason.Malformed, Queue = queue };
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.DeadLetter(got, info))).Status);
        var row = Assert.Single(await database.SqlAsync(
            $"select message is not distinct from {message}::jsonb, headers->>'odd', headers->>'ce-id', headers->>'x-postrider-reason' from pgmq.q_{TableName.Of(queue)}_dlq"));
        Assert.Equal([true, "[1]", got.Envelope.Id, "malformed"], row);
    }
}
