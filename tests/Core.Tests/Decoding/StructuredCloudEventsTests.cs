using System.Text;
using Postrider.Core.Decoding;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Decoding;

/// <summary>The JSON format of CloudEvents 1.0.2, by the rules and the kinds of examples in its document.</summary>
public sealed class StructuredCloudEventsTests
{
    private const string Attributes =
        """
        "specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": "A234-1234-1234", "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value", "comexampleothervalue": 5, "unsetextension": null
        """;

    [Theory]
    [InlineData("""  "datacontenttype": "application/vnd.apache.thrift.binary", "data_base64": "AAEC/w==" """, "application/vnd.apache.thrift.binary", "000102FF")]
    [InlineData("""  "datacontenttype": "application/xml", "data": "<much wow=\"xml\"/>" """, "application/xml", "<much wow=\"xml\"/>")]
    [InlineData("""  "datacontenttype": "application/json", "data": { "appinfoA" : "abc",  "appinfoB" : 123 } """, "application/json", """{ "appinfoA" : "abc",  "appinfoB" : 123 }""")]
    [InlineData("""  "data": "I'm just a string" """, "application/json", "\"I'm just a string\"")]
    [InlineData("""  "datacontenttype": "application/vnd.api+json; charset=utf-8", "data": [1, {"a": []}] """, "application/vnd.api+json; charset=utf-8", """[1, {"a": []}]""")]
    [InlineData("""  "datacontenttype": "TEXT/JSON", "data": "{\"not\": \"parsed again\"}" """, "TEXT/JSON", """ "{\"not\": \"parsed again\"}" """)]
    [InlineData("""  "data": null """, "application/json", "null")]
    [InlineData("""  "datacontenttype": "text/plain; charset=iso-8859-1", "data": "ä" """, "text/plain; charset=iso-8859-1", "E4")]
    [InlineData("""  "datacontenttype": "text/plain" """, "text/plain", "")]
    public void The_data_is_the_body(string data, string contentType, string body)
    {
        var envelope = Decode($"{{ {Attributes}, {data} }}")!;

        Assert.Equal(contentType, envelope.ContentType);
        var actual = envelope.Body.Span.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? Convert.ToHexString(envelope.Body.Span) : Encoding.UTF8.GetString(envelope.Body.Span);
        Assert.Equal(body.Trim(), actual);
    }

    [Theory]
    [InlineData("application/cloudevents+json")]
    [InlineData("Application/CloudEvents+JSON; charset=UTF-8")]
    public void The_attributes_are_the_envelopes(string contentType)
    {
        var envelope = Decode(
            $$"""
            { {{Attributes}}, "subject": "s", "partitionkey": "k", "correlationid": "c", "causationid": "p", "recordedtime": "2018-04-05T18:31:00+00:00",
              "expirytime": "2018-04-06T17:31:00Z", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b", "data": 1 }
            """,
            contentType)!;

        Assert.Equal(("A234-1234-1234", "com.example.someevent", "/mycontext"), (envelope.Id, envelope.Type, envelope.Source));
        Assert.Equal(("s", "k", "c", "p"), (envelope.Subject, envelope.Key, envelope.CorrelationId, envelope.CausationId));
        Assert.Equal(new DateTimeOffset(2018, 4, 5, 17, 31, 0, default), envelope.OccurredAt);
        Assert.Equal(new DateTimeOffset(2018, 4, 5, 18, 31, 0, default), envelope.SentAt);
        Assert.Equal(new DateTimeOffset(2018, 4, 6, 17, 31, 0, default), envelope.ExpiresAt);
        Assert.Equal(("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b"), (envelope.TraceParent, envelope.TraceState));
        Assert.Equal(
            [("ce-comexampleextension1", "value"), ("ce-comexampleothervalue", "5"), ("tenant", "x")],
            envelope.Headers.Select(static header => (header.Key, header.Value)).Order());
        Assert.Equal(3, envelope.Attempt);
    }

    [Fact]
    public void What_the_carrier_says_of_the_trace_counts_more()
    {
        var envelope = new StructuredCloudEvents().Decode(new()
        {
            Id = "carrier",
            TraceParent = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01",
            ContentType = "application/cloudevents+json",
            Body = Encoding.UTF8.GetBytes($$"""{ {{Attributes}}, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b" }"""),
        })!;
        Assert.Equal(("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01", null), (envelope.TraceParent, envelope.TraceState));
    }

    [Theory]
    [InlineData("""[]""", "not an object")]
    [InlineData("""{ "specversion": "1.0" """, "not a CloudEvent in JSON")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s" } more""", "not a CloudEvent in JSON")]
    [InlineData("""{ "id": "1", "type": "t", "source": "s" }""", "version ''")]
    [InlineData("""{ "specversion": "0.3", "id": "1", "type": "t", "source": "s" }""", "version '0.3'")]
    [InlineData("""{ "specversion": "1.0", "type": "t", "source": "s" }""", "without 'id'")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "", "source": "s" }""", "without 'type'")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": null }""", "without 'source'")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s", "time": "noon" }""", "'time' is no time")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s", "data": 1, "data_base64": "AA==" }""", "both 'data' and 'data_base64'")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s", "data_base64": "%" }""", "not a CloudEvent in JSON")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s", "datacontenttype": "text/plain", "data": {} }""", "not a string")]
    [InlineData("""{ "specversion": "1.0", "id": "1", "type": "t", "source": "s", "datacontenttype": "text/plain; charset=klingon", "data": "" }""", "not a CloudEvent in JSON")]
    public void What_is_no_event_is_malformed(string body, string why) =>
        Assert.Contains(why, Assert.Throws<MalformedMessageException>(() => Decode(body)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_batch_is_refused() =>
        Assert.Contains("one by one", Assert.Throws<MalformedMessageException>(() => Decode("[]", "application/cloudevents-batch+json; charset=utf-8")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(null)]
    [InlineData("application/json")]
    [InlineData("application/cloudevents+protobuf")]
    [InlineData("application/cloudevents+jsonx")]
    public void Other_content_types_are_left_alone(string? contentType) => Assert.Null(Decode($"{{ {Attributes} }}", contentType));

    private static Envelope? Decode(string body, string? contentType = "application/cloudevents+json") => new StructuredCloudEvents().Decode(new()
    {
        Id = "carrier",
        Attempt = 3,
        ContentType = contentType,
        Headers = new Dictionary<string, string> { ["tenant"] = "x" },
        Body = Encoding.UTF8.GetBytes(body),
    });
}
