using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Bodies;

/// <summary>What cannot be undone, or should not be, is a dead letter at once with its bytes as they came.</summary>
public sealed class MalformedBodyTests
{
    private const int Limit = 64 * 1024;

    [Theory]
    [InlineData("zstd", "'zstd'")]
    [InlineData("gzip, zstd", "'zstd'")]
    [InlineData("zstd, gzip", "'zstd'")]
    [InlineData("gzip", "not gzip")]
    [InlineData("br", "not Brotli")]
    [InlineData("gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip", "9 times")]
    public async Task It_says_what_is_wrong(string encoding, string why)
    {
        var seen = new SeenBodies();
        await using var host = await TestHost.StartAsync(seen.Consumer());
        var body = encoding == "zstd, gzip" ? Wire.Compress("gzip", "zstd"u8) : "not compressed"u8.ToArray();

        await Wire.SendRawAsync(host, Wire.Foreign(encoding, body));
        var letter = await Wire.DeadLetterAsync(host);

        Assert.Equal((DeadLetterReason.Malformed, encoding, 1), (letter.Info.Reason, letter.Envelope.ContentEncoding, letter.Info.Attempts));
        Assert.Contains(why, letter.Info.Description, StringComparison.Ordinal);
        Assert.Equal(body, letter.Envelope.Body.ToArray());
        Assert.Empty(seen);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task A_bomb_is_noticed_at_the_limit(string encoding)
    {
        var seen = new SeenBodies();
        await using var host = await TestHost.StartAsync(messaging => seen.Consumer()(messaging.Configure(static options => options with { MaxBodyBytes = Limit })));
        var bomb = Wire.Compress(encoding, new byte[32 * 1024 * 1024]);
        Assert.True(bomb.Length < Limit);

        await Wire.SendRawAsync(host, Wire.Foreign(encoding, bomb));
        var letter = await Wire.DeadLetterAsync(host);
        await Wire.SendRawAsync(host, Wire.Foreign(encoding, Wire.Compress(encoding, new byte[Limit + 1])));
        await Wire.SendRawAsync(host, Wire.Foreign($"{encoding}, {encoding}", Wire.Compress(encoding, bomb)));
        await Wire.DeadLetterAsync(host, 3);
        await Wire.SendRawAsync(host, Wire.Foreign(encoding, Wire.Compress(encoding, new byte[Limit])));
        await seen.CountAsync(1);

        Assert.Equal(DeadLetterReason.Malformed, letter.Info.Reason);
        Assert.Contains($"larger than {Limit} bytes", letter.Info.Description, StringComparison.Ordinal);
        Assert.Equal(bomb, letter.Envelope.Body.ToArray());
        Assert.Equal(Limit, Assert.Single(seen).Body.Length);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public void No_more_memory_is_taken_for_one_than_for_a_body_that_is_allowed(string encoding)
    {
        var (transforms, bomb) = (new BodyTransforms([]), Wire.Compress(encoding, new byte[32 * 1024 * 1024]));
        Assert.True(transforms.RestoreAsync(Wire.Foreign(encoding, bomb), new(Limit), CancellationToken.None).AsTask().IsFaulted);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.True(transforms.RestoreAsync(Wire.Foreign(encoding, bomb), new(Limit), CancellationToken.None).AsTask().IsFaulted);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 6 * Limit);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task A_body_that_is_cut_off_anywhere_or_goes_on_is_malformed(string encoding)
    {
        var transforms = new BodyTransforms([]);
        var body = Wire.Compress(encoding, "a body that is long enough to be compressed, compressed, compressed"u8);

        for (var length = 0; length < body.Length; length++)
        {
            await MalformedAsync(body[..length]);
        }

        await MalformedAsync([.. body, 0]);
        Assert.False((await transforms.RestoreAsync(Wire.Foreign(encoding, body), new(Limit), CancellationToken.None)).Body.IsEmpty);

        async Task MalformedAsync(byte[] wrong) => await Assert.ThrowsAsync<MalformedMessageException>(
            async () => await transforms.RestoreAsync(Wire.Foreign(encoding, wrong), new(Limit), CancellationToken.None));
    }

    [Fact]
    public async Task Eight_times_over_is_not_too_much()
    {
        var body = "body"u8.ToArray();
        for (var i = 0; i < 8; i++)
        {
            body = Wire.Compress("gzip", body);
        }

        var restored = await new BodyTransforms([]).RestoreAsync(Wire.Foreign(string.Join(',', Enumerable.Repeat("gzip", 8)), body), new(Limit), CancellationToken.None);

        Assert.Equal("body"u8.ToArray(), restored.Body.ToArray());
    }

    [Fact]
    public async Task So_is_one_with_a_wrong_checksum()
    {
        var body = Wire.Compress("gzip", "a body"u8);
        body[^6] ^= 1;

        await Assert.ThrowsAsync<MalformedMessageException>(
            async () => await new BodyTransforms([]).RestoreAsync(Wire.Foreign("gzip", body), new(Limit), CancellationToken.None));
    }
}
