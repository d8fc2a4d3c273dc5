using System.Text;
using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Publishing;

/// <summary>Text and bytes: they travel as they are, and have neither name nor topic of their own.</summary>
public sealed class RawMessageTests
{
    [Fact]
    public async Task They_are_published_to_the_topic_that_is_named()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport));

        await host.Bus.PublishAsync("ä", new() { Topic = "t" });
        await host.Bus.PublishAsync(new byte[] { 7 }, new() { MessageType = "orders.placed", ContentType = "application/json" });
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync("text"));

        Assert.Contains("PublishOptions.Topic", e.Message, StringComparison.Ordinal);
        Assert.Equal(
            [(Destination.Topic("t"), null, "text/plain; charset=utf-8", "C3A4"), (Destination.Topic("orders.placed"), "orders.placed", "application/json", "07")],
            transport.Published.Select(static one => (one.Destination, one.Envelope.Type, one.Envelope.ContentType!, Convert.ToHexString(one.Envelope.Body.Span))));
    }

    [Fact]
    public async Task A_body_above_the_limit_is_refused()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m
            .UseTransport("scripted", _ => transport)
            .Configure(static options => options with { MaxBodyBytes = 8 }));

        await host.Bus.SendAsync("q", new byte[8]);
        await host.Bus.SendAsync("q", "12345678");
        await RefusedAsync(new byte[9]);
        await RefusedAsync("123456789");
        await RefusedAsync((ReadOnlyMemory<byte>)new byte[9]);
        Assert.Equal(2, transport.Published.Count);

        async Task RefusedAsync<T>(T body)
            where T : notnull =>
            Assert.Equal(PublishStatus.Rejected, (await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", body))).Status);
    }

    [Theory]
    [InlineData(null, "utf-8")]
    [InlineData("application/json", "utf-8")]
    [InlineData("text/plain; charset=utf-16", "utf-16")]
    [InlineData("text/plain; charset=\"iso-8859-1\"", "iso-8859-1")]
    public void Text_is_read_in_its_charset(string? contentType, string encoding) =>
        Assert.Equal("zwölf", Read(contentType, Encoding.GetEncoding(encoding).GetBytes("zwölf")));

    [Fact]
    public void Text_that_is_not_of_its_charset_is_malformed()
    {
        Assert.Throws<MalformedMessageException>(() => Read(null, [0xFF]));
        Assert.Throws<MalformedMessageException>(() => Read("text/plain; charset=klingon", [65]));
    }

    [Fact]
    public async Task Half_of_a_surrogate_pair_is_no_text()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport));

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "a\ud83d"));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Empty(transport.Published);
    }

    private static string Read(string? contentType, byte[] body) =>
        RawBody<string>.Instance!.Read(new() { Id = "1", ContentType = contentType, Body = body });
}
