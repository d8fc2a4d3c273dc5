using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Bodies;

/// <summary>Bodies as other programs write and read them, and a host that handles what they send.</summary>
internal static class Wire
{
    public const string Queue = "q";

    public static byte[] Compress(string encoding, ReadOnlySpan<byte> body)
    {
        using var output = new MemoryStream();
        using (Stream stream = encoding == "br" ? new BrotliStream(output, CompressionLevel.SmallestSize) : new GZipStream(output, CompressionLevel.SmallestSize))
        {
            stream.Write(body);
        }

        return output.ToArray();
    }

    public static byte[] Decompress(string encoding, ReadOnlyMemory<byte> body)
    {
        using var output = new MemoryStream();
        using var input = new MemoryStream(body.ToArray());
        using Stream stream = encoding == "br" ? new BrotliStream(input, CompressionMode.Decompress) : new GZipStream(input, CompressionMode.Decompress);
        stream.CopyTo(output);
        return output.ToArray();
    }

    /// <summary>A message from a client that knows nothing of us.</summary>
    public static Envelope Foreign(string? encoding, byte[] body) =>
        new() { Id = Guid.NewGuid().ToString(), ContentType = "application/json", ContentEncoding = encoding, Body = body };

    public static async Task SendRawAsync(TestHost host, Envelope envelope)
    {
        var results = new PublishResult[1];
        await host.Services.GetRequiredService<ITransport>().PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue(Queue), envelope) }, results, CancellationToken.None);
        Assert.Equal(PublishStatus.Stored, results[0].Status);
    }

    public static async Task<DeadLetter> DeadLetterAsync(TestHost host, int count = 1)
    {
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await letters.CountAsync(Queue) == count);
        DeadLetter? last = null;
        await foreach (var letter in letters.ListAsync(Queue))
        {
            last = letter;
        }

        return last!;
    }
}

/// <summary>What a consumer of bytes saw.</summary>
internal sealed class SeenBodies : ConcurrentQueue<(string Body, string? Encoding, Envelope Envelope)>
{
    public Func<ConsumeContext, Outcome> Decide { get; set; } = static _ => Outcome.Ack;

    public Action<MessagingBuilder> Consumer(Func<ConsumerOptions, ConsumerOptions>? configure = null) => messaging => messaging.AddConsumer<byte[]>(
        Wire.Queue,
        (body, context, _) =>
        {
            Assert.Equal(body, context.Envelope.Body.ToArray());
            Enqueue((Encoding.UTF8.GetString(body), context.ContentEncoding, context.Envelope with { Body = default }));
            return new(Decide(context));
        },
        configure);

    public Task CountAsync(int count) => Eventually.IsAsync(() => Count >= count);
}
