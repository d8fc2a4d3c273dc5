using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Bodies;

/// <summary>Bodies are compressed so that anybody can undo it, and what anybody compressed is undone.</summary>
public sealed class CompressionTests
{
    private static readonly string Long = string.Concat(Enumerable.Range(0, 1000).Select(static i => $"line {i}, much like the one before\n"));

    [Theory]
    [InlineData("gzip", CompressionLevel.Fastest)]
    [InlineData("gzip", CompressionLevel.SmallestSize)]
    [InlineData("br", CompressionLevel.Fastest)]
    [InlineData("br", CompressionLevel.Optimal)]
    [InlineData("br", CompressionLevel.SmallestSize)]
    [InlineData("br", CompressionLevel.NoCompression)]
    public async Task Any_client_can_read_what_is_published(string encoding, CompressionLevel level)
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport).UseCompression(encoding, level));

        await host.Bus.SendAsync("q", Long);
        await host.Bus.SendAsync("q", Encoding.UTF8.GetBytes(Long));
        await host.Bus.PublishAsync(new Ping(1, Long));

        var sent = transport.Published.Select(static one => one.Envelope).ToList();
        Assert.All(sent, one => Assert.Equal(encoding, one.ContentEncoding));
        Assert.All(sent, static one => Assert.True(one.Body.Length < Long.Length / 2));
        Assert.Equal(["text/plain; charset=utf-8", "application/octet-stream", "application/json"], sent.Select(static one => one.ContentType));
        Assert.Equal(Long, Encoding.UTF8.GetString(Wire.Decompress(encoding, sent[0].Body)));
        Assert.Equal(Long, Encoding.UTF8.GetString(Wire.Decompress(encoding, sent[1].Body)));
        Assert.StartsWith("{\"number\":1,", Encoding.UTF8.GetString(Wire.Decompress(encoding, sent[2].Body)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task What_is_small_or_would_not_become_smaller_travels_as_it_is(string encoding)
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport).UseCompression(encoding, minimumBytes: 200));
        var noise = RandomNumberGenerator.GetBytes(100_000);

        await host.Bus.SendAsync("q", new byte[199]);
        await host.Bus.SendAsync("q", new byte[200]);
        await host.Bus.SendAsync("q", noise);
        await host.Bus.SendAsync("q", Array.Empty<byte>());

        var sent = transport.Published.Select(static one => one.Envelope).ToList();
        Assert.Equal([null, encoding, null, null], sent.Select(static one => one.ContentEncoding));
        Assert.Equal([new byte[199], noise, []], [sent[0].Body.ToArray(), sent[2].Body.ToArray(), sent[3].Body.ToArray()]);
        Assert.Equal(new byte[200], Wire.Decompress(encoding, sent[1].Body));
    }

    [Fact]
    public async Task The_smallest_of_all_does_no_harm()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("scripted", _ => transport).UseCompression("br", minimumBytes: 0));

        await host.Bus.SendAsync("q", Array.Empty<byte>());
        await host.Bus.SendAsync("q", "1");

        Assert.All(transport.Published, static one => Assert.Null(one.Envelope.ContentEncoding));
    }

    [Fact]
    public async Task It_is_one_compression_however_often_it_is_registered_and_the_last_counts()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(m => m
            .UseTransport("scripted", _ => transport).UseCompression(minimumBytes: 5000).UseCompression(minimumBytes: 0));

        await host.Bus.SendAsync("q", new byte[4000]);

        Assert.Equal("gzip", Assert.Single(transport.Published).Envelope.ContentEncoding);
        Assert.Throws<MessagingConfigurationException>(static () => new ServiceCollection().AddMessaging().UseCompression("zstd"));
    }

    [Theory]
    [InlineData("gzip", "gzip")]
    [InlineData("GZIP", "gzip")]
    [InlineData("x-gzip", "gzip")]
    [InlineData("br", "br")]
    [InlineData("gzip, UTF-8", "gzip")]
    [InlineData(" utf-8 ,gzip,", "gzip")]
    [InlineData("utf-8", null)]
    [InlineData("UTF-8", null)]
    [InlineData("identity", null)]
    [InlineData("binary", null)]
    [InlineData("", null)]
    public async Task Raw_JSON_of_foreign_clients_is_read_whatever_is_registered_here(string encoding, string? compression)
    {
        var (seen, numbers) = (new SeenBodies(), new List<int>());
        await using var host = await TestHost.StartAsync(messaging => messaging.AddConsumer<Ping>(Wire.Queue, (ping, context, _) =>
        {
            numbers.Add(ping.Number);
            seen.Enqueue(("", context.ContentEncoding, context.Envelope));
            return new(Outcome.Ack);
        }));
        var json = """{"number":7}"""u8.ToArray();

        await Wire.SendRawAsync(host, Wire.Foreign(encoding, compression is null ? json : Wire.Compress(compression, json)));
        await seen.CountAsync(1);
        await host.StopAsync();

        Assert.Equal(7, Assert.Single(numbers));
        Assert.Equal(encoding, Assert.Single(seen).Encoding);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task A_body_goes_there_and_back_beside_many_others(string encoding)
    {
        var seen = new SeenBodies();
        await using var host = await TestHost.StartAsync(messaging =>
        {
            messaging.UseCompression(encoding);
            seen.Consumer()(messaging);
        });
        var texts = Enumerable.Range(0, 500).Select(i => $"{i} {Long[..(i * 40)]}").ToList();

        await host.Bus.SendBatchAsync(Wire.Queue, texts);
        await seen.CountAsync(texts.Count);

        Assert.Equal(texts.Order(StringComparer.Ordinal), seen.Select(static one => one.Body).Order(StringComparer.Ordinal));
        Assert.Equal([null, encoding], seen.Select(static one => one.Encoding).Distinct().Order());
        Assert.All(seen, static one => Assert.Null(one.Envelope.ContentEncoding));
    }

    [Fact]
    public async Task Retries_dead_letters_and_replays_keep_the_bytes_as_they_were()
    {
        var (seen, failed) = (new SeenBodies(), new TaskCompletionSource<FailedMessage>());
        seen.Decide = static _ => throw new InvalidOperationException("again");
        await using var host = await TestHost.StartAsync(seen.Consumer(options => options with
        {
            Retry = RetryPolicy.Immediate with { MaxAttempts = 2 },
            OnFailed = (message, _) =>
            {
                failed.TrySetResult(message);
                return default;
            },
        }));
        var compressed = Wire.Compress("gzip", Encoding.UTF8.GetBytes(Long));

        await Wire.SendRawAsync(host, Wire.Foreign("gzip", compressed));
        var letter = await Wire.DeadLetterAsync(host);
        seen.Decide = static _ => Outcome.Ack;
        await host.Services.GetRequiredService<IDeadLetters>().ReplayAsync(letter);
        await seen.CountAsync(3);

        Assert.Equal(("gzip", DeadLetterReason.Exhausted), (letter.Envelope.ContentEncoding, letter.Info.Reason));
        Assert.Equal(compressed, letter.Envelope.Body.ToArray());
        Assert.Equal([Long, Long, Long], seen.Select(static one => one.Body));
        Assert.Equal(["gzip", "gzip", "gzip"], seen.Select(static one => one.Encoding));
        var told = await failed.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((Long, null), (Encoding.UTF8.GetString(told.Envelope.Body.Span), told.Envelope.ContentEncoding));
    }
}
