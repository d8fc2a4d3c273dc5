using System.Text;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>
/// Bodies arrive byte by byte, except for <c>application/json</c>, of which the meaning is promised: a broker may store it as JSON.
/// What is no valid JSON is kept byte by byte in either case.
/// </summary>
public abstract class BodyScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    /// <summary>What JSON storage changes or refuses.</summary>
    private static readonly string[] Delicate =
    [
        "{\"a\":1,\"a\":2}", "{\"b\":1,\"a\":2}", "{ \"spaced\" : [ 1 , 2 ] }", "\"\\u0000\"", "{\"\\u0000\":1}", "1e3", "-0", "1.0", "1.10",
        "123456789012345678901234567890.123456789", "1e400", "1e-400", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\/\"", "\"\\u0041\"",
        "null", "true", "\"\"", "[]", "{}", " 1 ", "{\"\":{\"\":[[]]}}", "\"\u2028 💌\"", "{\"$type\":\"x\",\"$ref\":\"#\"}",
    ];

    private static readonly string[] Broken =
        ["{", "{\"a\":", "nul", "[1,]", "'a'", "\"\\ud8\"", "\u0000", "NaN", "{} {}", "\uFEFF{}", " "];

    [Scenario(Fault.CorruptsBodies, Fault.TrimsBodies)]
    public async Task Bodies_from_empty_to_1_MiB_arrive_exactly()
    {
        var bodies = new[] { 0, 1, 2, 4096, 65_536, 65_537, 1024 * 1024 }.Select(static length =>
        {
            var body = new byte[length];
            new Random(length).NextBytes(body);
            return body;
        });
        await ArriveAsync("application/octet-stream", bodies);
    }

    [Scenario(Fault.ReformatsJson, Fault.CorruptsBodies)]
    public async Task Bodies_that_only_look_like_JSON_arrive_exactly() =>
        await ArriveAsync("text/plain", Delicate.Select(Encoding.UTF8.GetBytes));

    [Scenario(Fault.ReformatsJson)]
    public async Task Bodies_without_a_content_type_arrive_exactly() =>
        await ArriveAsync(null, Delicate.Select(Encoding.UTF8.GetBytes));

    [Scenario(Fault.NormalizesJson, Fault.CorruptsBodies)]
    public async Task JSON_bodies_keep_their_meaning() =>
        await ArriveAsync("application/json", Delicate.Select(Encoding.UTF8.GetBytes));

    [Scenario(Fault.NormalizesJson, Fault.CorruptsBodies)]
    public async Task JSON_bodies_of_kindred_content_types_keep_their_meaning()
    {
        await ArriveAsync("application/json; charset=utf-8", Delicate.Select(Encoding.UTF8.GetBytes));
        await ArriveAsync("application/cloudevents+json", Delicate.Select(Encoding.UTF8.GetBytes));
    }

    [Scenario(Fault.CorruptsBodies, Fault.TrimsBodies)]
    public async Task What_is_no_JSON_arrives_exactly_though_it_says_it_is() =>
        await ArriveAsync(
            "application/json",
            [.. Broken.Select(Encoding.UTF8.GetBytes), [], [0xFF, 0xFE, 0x00], [(byte)'"', 0xC3, 0x28, (byte)'"'], [(byte)'"', 0xED, 0xA0, 0x80, (byte)'"']]);

    [Scenario(Fault.CorruptsBodies)]
    public async Task Deep_and_long_JSON_arrives()
    {
        var deep = new string('[', 10_000) + new string(']', 10_000);
        var broad = "[" + string.Join(',', Enumerable.Range(0, 20_000)) + "]";
        await ArriveAsync("application/json", [Encoding.UTF8.GetBytes(deep), Encoding.UTF8.GetBytes(broad)]);
    }

    private async Task ArriveAsync(string? contentType, IEnumerable<byte[]> bodies)
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = bodies.Select(body => Message() with { Body = body, ContentType = contentType }).ToArray();
        await SendAsync(transport, queue, sent);

        var arrived = (await DrainAsync(receiver, sent.Length)).ToDictionary(static one => one.Envelope.Id);

        foreach (var one in sent)
        {
            var envelope = arrived[one.Id].Envelope;
            Assert.Equal(one.ContentType, envelope.ContentType);
            Assert.Null(arrived[one.Id].Defect);
            JsonAssert.SameBody(one, envelope.Body);
        }
    }
}
