using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.DeadLetters;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests;

/// <summary>What the scenarios of dead letters leave: filters, the throttle, broken files, a transport that cannot look.</summary>
public sealed class DeadLetterTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_filter_lets_through_what_meets_all_that_it_names()
    {
        var letter = new DeadLetter("q", "1", new()
        {
            Id = "m",
            Type = "t",
            DeadLetter = new() { Queue = "q", Reason = DeadLetterReason.Exhausted, ExceptionType = "E", At = Noon },
        });
        DeadLetterFilter[] fitting =
        [
            new(), new() { Reason = DeadLetterReason.Exhausted }, new() { ExceptionType = "E" }, new() { MessageType = "t" }, new() { MessageId = "m" },
            new() { From = Noon }, new() { Until = Noon.AddTicks(1) },
            new() { Reason = DeadLetterReason.Exhausted, ExceptionType = "E", MessageType = "t", MessageId = "m", From = Noon, Until = Noon.AddDays(1) },
        ];
        DeadLetterFilter[] others =
        [
            new() { Reason = DeadLetterReason.Rejected }, new() { ExceptionType = "e" }, new() { MessageType = "u" }, new() { MessageId = "n" },
            new() { From = Noon.AddTicks(1) }, new() { Until = Noon }, new() { MessageId = "m", MessageType = "u" },
        ];

        Assert.All(fitting, filter => Assert.True(filter.Matches(letter), $"{filter}"));
        Assert.All(others, filter => Assert.False(filter.Matches(letter), $"{filter}"));
    }

    [Fact]
    public void What_somebody_else_put_there_counts_as_rejected() =>
        Assert.Equal(DeadLetterReason.Rejected, new DeadLetter("q", "1", new() { Id = "x" }).Info.Reason);

    [Fact]
    public async Task A_replay_keeps_to_its_rate()
    {
        var time = new FakeTimeProvider(Noon);
        var broker = new InMemoryBroker(time);
        await using var host = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(broker).AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.DeadLetter("no"))),
            services => services.AddSingleton<TimeProvider>(time));
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await host.Bus.SendBatchAsync("q", Enumerable.Range(0, 5).Select(static i => new Ping(i)));
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 5);

        var replaying = letters.ReplayAllAsync("q", null, new() { MaxPerSecond = 2 }).AsTask();
        var seconds = 0.0;
        await Eventually.IsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            seconds += replaying.IsCompleted ? 0 : 0.1;
            return replaying.IsCompleted;
        });

        Assert.Equal(5, await replaying);
        Assert.InRange(seconds, 1.8, 60);
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await letters.ReplayAllAsync("q", null, new() { MaxPerSecond = 0 }));
    }

    [Theory]
    [InlineData("{", 1)]
    [InlineData("[]", 1)]
    [InlineData("{}", 1)]
    [InlineData("\n\n{\"id\":\"ok\"}\n{\"id\":5}", 4)]
    [InlineData("{\"id\":\"x\",\"bodyBase64\":\"***\"}", 1)]
    [InlineData("{\"id\":\"x\",\"sentAt\":\"yesterday\"}", 1)]
    [InlineData("{\"id\":\"x\",\"headers\":{\"a\":\"1\",\"a\":\"2\"}}", 1)]
    public async Task A_broken_line_is_named(string file, int line)
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging.AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        var e = await Assert.ThrowsAsync<MalformedMessageException>(async () => await letters.ImportAsync("q", new MemoryStream(Encoding.UTF8.GetBytes(file))));

        Assert.StartsWith($"Line {line} ", e.Message, StringComparison.Ordinal);
        Assert.Equal(line == 4 ? 1 : 0, await letters.CountAsync("q"));
    }

    [Theory]
    [InlineData("text \"quoted\"\r\n\u0007 💌", "body")]
    [InlineData("", "body")]
    [InlineData(null, "bodyBase64")]
    public void A_body_is_text_where_it_can_be_and_the_same_when_it_is_read(string? text, string property)
    {
        var body = text is null ? [0xC3, 0x28, 0] : Encoding.UTF8.GetBytes(text);

        var line = Encoding.UTF8.GetString(DeadLetterLine.Write(new() { Id = "1", Body = body }).Span);

        Assert.Contains($"\"{property}\":", line, StringComparison.Ordinal);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
        Assert.Equal(body, DeadLetterLine.Read(line, 1).Body.ToArray());
    }

    [Fact]
    public async Task A_transport_that_cannot_look_is_named()
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging.UseTransport("scripted", static _ => new ScriptedTransport()));

        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await host.Services.GetRequiredService<IDeadLetters>().CountAsync("q"));

        Assert.Contains("'scripted'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replay_is_no_duplicate_of_what_it_replays()
    {
        var transport = new InMemoryTransport(new());
        await transport.DeclareAsync(new(["q"], []), CancellationToken.None);
        var results = new PublishResult[1];
        await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue("q.dlq"), new() { Id = "7" }) }, results, CancellationToken.None);
        var recorded = new List<OutgoingMessage>();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("recorded", _ => new Recorder(transport, recorded)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        Assert.Equal(1, await letters.ReplayAllAsync("q"));

        var message = Assert.Single(recorded);
        Assert.Equal("7", message.Envelope.Id);
        Assert.StartsWith("replay q 1 ", message.DuplicateId, StringComparison.Ordinal);
    }

    private sealed class Recorder(InMemoryTransport inner, List<OutgoingMessage> recorded) : ITransport, IDeadLetterAccess
    {
        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
        {
            recorded.AddRange(batch.ToArray());
            return inner.PublishAsync(batch, results, cancellationToken);
        }

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken) => ((IDeadLetterAccess)inner).CountAsync(queue, cancellationToken);

        public ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken) =>
            ((IDeadLetterAccess)inner).ListAsync(queue, after, max, cancellationToken);

        public ValueTask<StoredDeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken) => ((IDeadLetterAccess)inner).FindAsync(queue, position, cancellationToken);

        public ValueTask<bool> DeleteAsync(string queue, string position, CancellationToken cancellationToken) => ((IDeadLetterAccess)inner).DeleteAsync(queue, position, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
