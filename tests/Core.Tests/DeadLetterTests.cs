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

    [Theory]
    [InlineData(2, 1.8)]
    [InlineData(1000, 0)]
    public async Task A_replay_keeps_to_its_rate(double rate, double atLeast)
    {
        var time = new FakeTimeProvider(Noon);
        var broker = new InMemoryBroker(time);
        await using var host = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(broker).AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.DeadLetter("no"))),
            services => services.AddSingleton<TimeProvider>(time));
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await host.Bus.SendBatchAsync("q", Enumerable.Range(0, 5).Select(static i => new Ping(i)));
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 5);

        var replaying = letters.ReplayAllAsync("q", null, new() { MaxPerSecond = rate }).AsTask();
        var seconds = 0.0;
        await Eventually.IsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            seconds += replaying.IsCompleted ? 0 : 0.1;
            return replaying.IsCompleted;
        });

        Assert.Equal(5, await replaying);
        Assert.InRange(seconds, atLeast, 60);
        foreach (var none in (double[])[0, -1, 1e-300, double.NaN])
        {
            await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await letters.ReplayAllAsync("q", null, new() { MaxPerSecond = none }));
        }
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
    public void A_line_has_names_that_stay_and_comes_back_whole()
    {
        var envelope = new Envelope
        {
            Id = "1",
            Type = "t",
            SchemaVersion = 2,
            ContentType = "ct",
            ContentEncoding = "ce",
            SentAt = Noon,
            OccurredAt = Noon.AddHours(1),
            ExpiresAt = Noon.AddHours(2),
            Topic = "to",
            Source = "so",
            Key = "k",
            Subject = "su",
            CorrelationId = "co",
            CausationId = "ca",
            ReplyTo = "re",
            Priority = 0,
            Attempt = 3,
            TraceParent = "tp",
            TraceState = "ts",
            Baggage = "ba",
            Headers = new Dictionary<string, string> { ["h"] = "v" },
            Body = "b"u8.ToArray(),
            DeadLetter = new()
            {
                Reason = DeadLetterReason.Expired,
                Description = "d",
                ExceptionType = "et",
                ExceptionMessage = "em",
                StackTrace = "st",
                Attempts = 4,
                Redeliveries = 5,
                Queue = "q",
                Topic = "dt",
                At = Noon.AddHours(3),
                Host = "ho",
            },
        };

        var line = Encoding.UTF8.GetString(DeadLetterLine.Write(envelope).Span);

        Assert.Equal(
            """
            {"id":"1","type":"t","schemaVersion":2,"contentType":"ct","contentEncoding":"ce","sentAt":"2026-11-26T12:00:00+00:00","occurredAt":"2026-11-26T13:00:00+00:00","expiresAt":"2026-11-26T14:00:00+00:00","topic":"to","source":"so","key":"k","subject":"su","correlationId":"co","causationId":"ca","replyTo":"re","priority":0,"attempt":3,"traceParent":"tp","traceState":"ts","baggage":"ba","headers":{"h":"v"},"deadLetter":{"reason":"expired","description":"d","exceptionType":"et","exceptionMessage":"em","stackTrace":"st","attempts":4,"redeliveries":5,"queue":"q","topic":"dt","at":"2026-11-26T15:00:00+00:00","host":"ho"},"body":"b"}

            """,
            line);
        var read = DeadLetterLine.Read(line, 1);
        Assert.Equal(envelope.DeadLetter, read.DeadLetter);
        Assert.Equal(line, Encoding.UTF8.GetString(DeadLetterLine.Write(read).Span));
    }

    [Fact]
    public void A_line_of_somebody_else_needs_an_id_only_and_its_reason_may_be_none_of_ours()
    {
        var read = DeadLetterLine.Read("""{"id":"1","attempt":0,"deadLetter":{"reason":"bored"},"more":[]}""", 1);

        Assert.Equal((1, 0, null), (read.Attempt, read.Body.Length, read.Type));
        Assert.Equal(new DeadLetterInfo { Reason = DeadLetterReason.Rejected, Queue = "", At = DateTimeOffset.UnixEpoch }, read.DeadLetter);
    }

    [Theory]
    [InlineData("abcde", 5, "abcde")]
    [InlineData("abcdef", 5, "abcde")]
    [InlineData("aää", 4, "aä")]
    [InlineData("💌💌", 7, "💌")]
    [InlineData("a\r\n\tb\0c\u0085d", 99, "a   b c d")]
    [InlineData("", 5, "")]
    [InlineData(null, 5, null)]
    public void A_reason_is_cut_between_characters_and_is_one_line(string? text, int most, string? cut) => Assert.Equal(cut, DeadLetterInfos.Cut(text, most));

    [Fact]
    public async Task A_replay_says_when_and_where_from_and_keeps_what_it_was_but_its_end()
    {
        var time = new FakeTimeProvider(Noon);
        var transport = new InMemoryTransport(new(time));
        await transport.DeclareAsync(new(["q"], []), CancellationToken.None);
        var dead = new Envelope
        {
            Id = "7",
            Type = "t",
            Key = "k",
            Priority = 9,
            Attempt = 5,
            ExpiresAt = Noon.AddDays(1),
            Headers = new Dictionary<string, string> { ["h"] = "v" },
            DeadLetter = new() { Reason = DeadLetterReason.Exhausted, Queue = "q", At = Noon },
        };
        await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue("q.dlq"), dead) }, new PublishResult[1], CancellationToken.None);
        var recorded = new List<OutgoingMessage>();
        await using var host = await TestHost.StartAsync(
            messaging => messaging.UseTransport("recorded", _ => new Recorder(transport, recorded)), services => services.AddSingleton<TimeProvider>(time));

        Assert.Equal(1, await host.Services.GetRequiredService<IDeadLetters>().ReplayAllAsync("q", null, new() { Delay = TimeSpan.FromMinutes(3) }));

        var message = Assert.Single(recorded);
        Assert.Equal((Destination.Queue("q"), TimeSpan.FromMinutes(3)), (message.Destination, message.Delay));
        Assert.Equal(dead with { Attempt = 1, ExpiresAt = null, DeadLetter = null, Headers = message.Envelope.Headers }, message.Envelope);
        Assert.Equal(
            new Dictionary<string, string> { ["h"] = "v", [DeadLetter.ReplayedFrom] = "q.dlq", [DeadLetter.ReplayedAt] = "2026-11-26T12:00:00.0000000+00:00" }, message.Envelope.Headers);
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
        var transport = await WithDeadLettersAsync(1);
        var recorded = new List<OutgoingMessage>();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("recorded", _ => new Recorder(transport, recorded)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        Assert.Equal(1, await letters.ReplayAllAsync("q"));

        var message = Assert.Single(recorded);
        Assert.Equal("1", message.Envelope.Id);
        Assert.StartsWith("replay q 1 ", message.DuplicateId, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_line_that_is_imported_is_a_duplicate()
    {
        var broker = new InMemoryBroker();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseInMemory(broker).AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        using var file = new MemoryStream();
        for (var day = 1; day <= 2; day++)
        {
            file.Write(DeadLetterLine.Write(new() { Id = "1", DeadLetter = new() { Reason = DeadLetterReason.Rejected, Queue = "q", At = Noon.AddDays(day) } }).Span);
        }

        for (var times = 1; times <= 2; times++)
        {
            file.Position = 0;
            Assert.Equal(2, await letters.ImportAsync("q", file));
            Assert.Equal(2 * times, await letters.CountAsync("q"));
        }
    }

    [Fact]
    public async Task Whoever_changes_many_is_told_how_many_so_far()
    {
        var (replays, discards, imports) = (new Told(), new Told(), new Told());
        var transport = await WithDeadLettersAsync(3);
        var sent = 0;
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("recorded", _ => new Recorder(transport, [])
        {
            OnPublish = _ => ++sent < 3 ? default : throw new TransportException("gone", TransportError.Unavailable),
        }));
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        using var file = new MemoryStream();
        Assert.Equal(3, await letters.ExportAsync("q", file));
        file.Position = 0;

        await Assert.ThrowsAsync<TransportException>(async () => await letters.ReplayAllAsync("q", null, null, replays));
        Assert.Equal(1, await letters.CountAsync("q"));
        Assert.Equal(1, await letters.DiscardAllAsync("q", null, discards));
        sent = 0;
        await Assert.ThrowsAsync<TransportException>(async () => await letters.ImportAsync("q", file, imports));
        Assert.Equal(2, await letters.CountAsync("q"));

        Assert.Equal([1, 2], replays);
        Assert.Equal([1], discards);
        Assert.Equal([1, 2], imports);
    }

    [Fact]
    public async Task A_cancelled_replay_finishes_the_one_in_hand_and_so_leaves_no_two()
    {
        var transport = await WithDeadLettersAsync(3);
        using var cancel = new CancellationTokenSource();
        var (told, recorded) = (new Told(), new List<OutgoingMessage>());
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("recorded", _ => new Recorder(transport, recorded)
        {
            OnPublish = async token =>
            {
                if (recorded.Count == 2)
                {
                    await cancel.CancelAsync();
                    Assert.False(token.IsCancellationRequested);
                }
            },
        }));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await letters.ReplayAllAsync("q", null, null, told, cancel.Token));

        Assert.Equal([1, 2], told);
        Assert.Equal(2, recorded.Count);
        Assert.Equal(1, await letters.CountAsync("q"));
    }

    [Fact]
    public async Task A_replay_that_the_broker_does_not_answer_ends_with_the_publish_timeout()
    {
        var time = new FakeTimeProvider(Noon);
        var transport = await WithDeadLettersAsync(1);
        await using var host = await TestHost.StartAsync(
            messaging => messaging.Configure(static options => options with { PublishTimeout = TimeSpan.FromSeconds(7) }).UseTransport("recorded", _ => new Recorder(transport, [])
            {
                OnPublish = async token => await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token),
            }),
            services => services.AddSingleton<TimeProvider>(time));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        var replaying = letters.ReplayAllAsync("q").AsTask();
        time.Advance(TimeSpan.FromSeconds(6.9));
        Assert.False(replaying.IsCompleted);
        await Eventually.IsAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return replaying.IsCompleted;
        });

        Assert.Equal(PublishStatus.Unknown, (await Assert.ThrowsAsync<PublishException>(() => replaying)).Status);
        Assert.Equal(1, await letters.CountAsync("q"));
    }

    private static async Task<InMemoryTransport> WithDeadLettersAsync(int count)
    {
        var transport = new InMemoryTransport(new());
        await transport.DeclareAsync(new(["q"], []), CancellationToken.None);
        for (var i = 1; i <= count; i++)
        {
            await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue("q.dlq"), new() { Id = $"{i}" }) }, new PublishResult[1], CancellationToken.None);
        }

        return transport;
    }

    private sealed class Told : List<long>, IProgress<long>
    {
        public void Report(long value) => Add(value);
    }

    private sealed class Recorder(InMemoryTransport inner, List<OutgoingMessage> recorded) : ITransport, IDeadLetterAccess
    {
        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public Func<CancellationToken, ValueTask> OnPublish { get; init; } = static _ => default;

        public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
        {
            recorded.AddRange(batch.ToArray());
            try
            {
                await OnPublish(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                results.Span[0] = new(PublishStatus.Unknown);
                return;
            }

            await inner.PublishAsync(batch, results, cancellationToken);
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
