using System.IO.Compression;
using System.Text;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Bodies that travel compressed, and say so.</summary>
public abstract class CompressionScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private static readonly string Long = string.Concat(Enumerable.Range(0, 500).Select(static i => $"line {i}, zwölf 💌\n"));

    [Scenario(Fault.CorruptsBodies, Fault.ForgetsContentEncoding)]
    public async Task Compressed_bodies_are_read_whoever_compressed_them()
    {
        var (gzip, brotli) = (NewName(), NewName());
        var seen = new Happenings<(string Queue, string Text, string? Encoding)>(Time, Fixture.Patience);
        ValueTask<Outcome> See(ConsumeContext context, string text)
        {
            seen.Add((context.Queue, text, context.ContentEncoding));
            return new(Outcome.Ack);
        }

        var first = await StartHostAsync(messaging => messaging.UseCompression("gzip").AddConsumer<Job>(gzip, (job, context, _) => See(context, job.Text)));
        var second = await StartHostAsync(messaging => messaging.UseCompression("br").AddConsumer<string>(brotli, (text, context, _) => See(context, text)));

        await first.Bus.SendAsync(brotli, Long);
        await first.Bus.SendAsync(brotli, "short");
        await second.Bus.SendAsync(gzip, new Job(1, Long));
        await SendRawAsync(gzip, Foreign("x-gzip", """{"number":7,"text":"raw"}"""));

        Assert.Equal(
            [(brotli, Long, "gzip"), (brotli, "short", null), (gzip, Long, "br"), (gzip, "raw", "x-gzip")],
            (await seen.ReachAsync(4)).OrderBy(one => one.Queue == gzip).ThenByDescending(static one => one.Text.Length));
    }

    [Scenario(Fault.CorruptsBodies, Fault.ForgetsContentEncoding, Fault.DropsDeadLetters)]
    public async Task Retries_dead_letters_and_replays_keep_the_compressed_bytes()
    {
        var (queue, works) = (NewName(), false);
        var runs = new Happenings<(int Attempt, string Text)>(Time, Fixture.Patience);
        var failed = new Happenings<string>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<string>(
            queue,
            (text, context, _) =>
            {
                runs.Add((context.Attempt, text));
                return works ? new(Outcome.Ack) : throw new FormatException();
            },
            options => With(AtOnce with { MaxAttempts = 2 })(options) with
            {
                OnFailed = (message, _) =>
                {
                    failed.Add(message.Envelope.Id);
                    return default;
                },
            }));
        var sent = Foreign("gzip", Long);
        await SendRawAsync(queue, sent);
        await failed.ReachAsync(1);

        await foreach (var letter in host.DeadLetters.ListAsync(queue))
        {
            Assert.Equal("gzip", letter.Envelope.ContentEncoding);
            Assert.Equal(sent.Body.ToArray(), letter.Envelope.Body.ToArray());
            works = true;
            await host.DeadLetters.ReplayAsync(letter);
        }

        Assert.Equal([(1, Long), (2, Long), (1, Long)], await runs.ReachAsync(3));
    }

    private static Envelope Foreign(string encoding, string text)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Optimal))
        {
            gzip.Write(Encoding.UTF8.GetBytes(text));
        }

        return new() { Id = Guid.NewGuid().ToString("N"), ContentType = "application/json", ContentEncoding = encoding, Body = output.ToArray() };
    }
}
