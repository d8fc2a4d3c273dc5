using System.Net.Mime;
using System.Text;
using System.Text.Json;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.SystemTextJson;

namespace Postrider.Interop.Tests;

/// <summary>What the SDK of CloudEvents writes in structured mode is what we read.</summary>
public sealed class CloudEventsSdkTests
{
    private static readonly JsonEventFormatter Formatter = new();

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/plain")]
    [InlineData("application/octet-stream")]
    public async Task An_event_of_the_SDK(string contentType)
    {
        var text = "Straße \"1\" \u2028";
        var written = new CloudEvent(
        [
            CloudEventAttribute.CreateExtension("tenantid", CloudEventAttributeType.String),
            CloudEventAttribute.CreateExtension("priority", CloudEventAttributeType.Integer),
            CloudEventAttribute.CreateExtension("final", CloudEventAttributeType.Boolean),
        ])
        {
            Id = "e-1",
            Type = "orders.placed",
            Source = new("/shop/ü", UriKind.RelativeOrAbsolute),
            Subject = "s",
            Time = new DateTimeOffset(2026, 1, 2, 5, 4, 5, 678, TimeSpan.FromHours(2)),
            DataContentType = contentType,
            Data = contentType switch
            {
                "application/json" => new { item = text },
                "text/plain" => text,
                _ => Encoding.UTF8.GetBytes(text),
            },
        };
        (written["tenantid"], written["priority"], written["final"]) = ("ä", 9, true);
        var body = Formatter.EncodeStructuredModeMessage(written, out ContentType structured);

        var seen = await Received.AsSeenAsync(static _ => { }, new() { Id = "carrier", ContentType = structured.ToString(), Body = body });

        Assert.Equal(("e-1", "orders.placed", "s", contentType), (seen.Id, seen.Type, seen.Subject, seen.ContentType));
        Assert.Equal(written.Source, new Uri(seen.Source!, UriKind.RelativeOrAbsolute));
        Assert.Equal(written.Time, seen.SentAt);
        Assert.Equal(("ä", "9", "true"), (seen.Headers["ce-tenantid"], seen.Headers["ce-priority"], seen.Headers["ce-final"]));
        Assert.Equal(text, contentType == "application/json" ? JsonElement.Parse(seen.Body.Span).GetProperty("item").GetString() : seen.Text());
    }

    [Fact]
    public async Task A_batch_of_the_SDK_is_refused()
    {
        var body = Formatter.EncodeBatchModeMessage([new() { Id = "1", Type = "t", Source = new("/s", UriKind.Relative) }], out ContentType batch);
        var dead = await Received.AsDeadAsync(static _ => { }, new() { Id = "carrier", ContentType = batch.ToString(), Body = body });
        Assert.Equal(DeadLetterReason.Malformed, dead.Info.Reason);
        Assert.Contains("a batch of CloudEvents", dead.Info.Description, StringComparison.Ordinal);
    }
}
