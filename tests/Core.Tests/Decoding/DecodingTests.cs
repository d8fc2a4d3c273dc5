using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Decoding;

/// <summary>Where foreign messages are read: before the consumer is chosen, within the error boundary, and without changing what is kept.</summary>
public sealed class DecodingTests
{
    private const string Event = """{"specversion":"1.0","id":"e1","type":"tests.ping","source":"/shop","correlationid":"flow","data":{"number":7}}""";

    [Fact]
    public async Task A_structured_event_reaches_the_consumer_of_its_type()
    {
        var seen = new TaskCompletionSource<(Ping, string, string?, string?, Envelope)>();
        await using var host = await TestHost.StartAsync(m => m
            .AddConsumer<Pong>("q", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Ping>("q", (ping, context, _) =>
            {
                seen.TrySetResult((ping, context.MessageId, context.CorrelationId, context.ContentType, context.Envelope));
                return new(Outcome.Ack);
            }));

        await SendAsync(host, Event);

        var (ping, id, correlation, contentType, _) = await seen.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((new Ping(7), "e1", "flow", "application/json"), (ping with { Text = "" }, id, correlation, contentType));
    }

    [Fact]
    public async Task An_event_that_is_retried_is_read_again_and_its_dead_letter_is_what_came()
    {
        var attempts = new List<(int Attempt, string Id)>();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>(
            "q",
            (_, context, _) =>
            {
                attempts.Add((context.Attempt, context.MessageId));
                throw new InvalidOperationException("no");
            },
            static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 2 } }));

        await SendAsync(host, Event);

        var dead = await DeadLetterAsync(host);
        Assert.Equal([(1, "e1"), (2, "e1")], attempts);
        Assert.Equal((DeadLetterReason.Exhausted, Event, "application/cloudevents+json"), (dead.Info.Reason, Body(dead), dead.Envelope.ContentType));
    }

    [Fact]
    public async Task What_cannot_be_read_is_dead_at_the_first_attempt_with_its_bytes_and_reported()
    {
        var reporter = new Reporter();
        await using var host = await TestHost.StartAsync(
            m => m.AddConsumer<byte[]>("q", static (_, _, _) => throw new InvalidOperationException("no handler may see it")).AddExceptionReporter<Reporter>(),
            services => services.AddSingleton(reporter));

        await SendAsync(host, "{ broken");

        var dead = await DeadLetterAsync(host);
        Assert.Equal((DeadLetterReason.Malformed, 1, "{ broken"), (dead.Info.Reason, dead.Info.Attempts, Body(dead)));
        Assert.Equal(typeof(MalformedMessageException).FullName, dead.Info.ExceptionType);
        var report = await reporter.Got.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(("decode", "q", OutcomeKind.DeadLetter), (report.During, report.Queue, report.Outcome));
    }

    [Fact]
    public async Task An_event_that_has_expired_by_its_own_attribute_reaches_no_handler()
    {
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>("q", static (_, _, _) => throw new InvalidOperationException("no handler may see it")));

        await SendAsync(host, Event.Replace("\"data\"", "\"expirytime\":\"2001-01-01T00:00:00Z\",\"data\"", StringComparison.Ordinal));

        Assert.Equal(DeadLetterReason.Expired, (await DeadLetterAsync(host)).Info.Reason);
    }

    [Fact]
    public async Task The_first_decoder_that_takes_a_message_reads_it_and_one_that_throws_makes_it_malformed()
    {
        var seen = new TaskCompletionSource<string?>();
        await using var host = await TestHost.StartAsync(m => m
            .UseDecoder(new Renaming("application/cloudevents+json", "first"))
            .UseDecoder(new Renaming("application/cloudevents+json", "second"))
            .UseDecoder(new Renaming("bad", null))
            .AddConsumer<byte[]>("q", (_, context, _) =>
            {
                seen.TrySetResult(context.MessageType);
                return new(Outcome.Ack);
            }));

        await SendAsync(host, Event);
        await host.Bus.SendAsync("q", "x"u8.ToArray(), new() { ContentType = "bad" });

        Assert.Equal("first", await seen.Task.WaitAsync(TimeSpan.FromSeconds(10)));
        var dead = await DeadLetterAsync(host);
        Assert.Equal(DeadLetterReason.Malformed, dead.Info.Reason);
        Assert.Contains("Renaming failed: broken", dead.Info.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retries_end_even_if_a_decoder_knows_nothing_of_attempts()
    {
        await using var host = await TestHost.StartAsync(static m => m
            .UseDecoder(new Forgetting())
            .AddConsumer<byte[]>("q", static (_, _, _) => throw new InvalidOperationException("no"), static o => o with { Retry = RetryPolicy.Immediate with { MaxAttempts = 3 } }));

        await SendAsync(host, Event);

        Assert.Equal((DeadLetterReason.Exhausted, 3), ((await DeadLetterAsync(host)).Info.Reason, (await DeadLetterAsync(host)).Info.Attempts));
    }

    [Theory]
    [InlineData("ce-tenantid", true)]
    [InlineData("ce-a1", true)]
    [InlineData("ce-", false)]
    [InlineData("ce-id", false)]
    [InlineData("ce-partitionkey", false)]
    [InlineData("ce-tracestate", false)]
    [InlineData("ce-tenantId", false)]
    [InlineData("ce-tenant-id", false)]
    [InlineData("CE-tenantid", false)]
    [InlineData("tenantid", false)]
    public void Extension_attributes_are_headers_with_legal_names_that_no_property_stands_for(string header, bool extension) =>
        Assert.Equal(extension, CloudEventHeaders.IsExtension(header));

    private static ValueTask<PublishReceipt> SendAsync(TestHost host, string body) =>
        host.Bus.SendAsync("q", Encoding.UTF8.GetBytes(body), new() { ContentType = "application/cloudevents+json" });

    private static string Body(DeadLetter letter) => Encoding.UTF8.GetString(letter.Envelope.Body.Span);

    private static async Task<DeadLetter> DeadLetterAsync(TestHost host)
    {
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 1);
        return await letters.ListAsync("q").FirstAsync();
    }

    private sealed class Renaming(string contentType, string? name) : IEnvelopeDecoder
    {
        public Envelope? Decode(Envelope envelope) =>
            envelope.ContentType != contentType ? null
            : name is not null ? envelope with { Type = name }
            : throw new InvalidOperationException("broken");
    }

    private sealed class Forgetting : IEnvelopeDecoder
    {
        public Envelope? Decode(Envelope envelope) => new() { Id = "new" };
    }

    private sealed class Reporter : IExceptionReporter
    {
        public TaskCompletionSource<ExceptionReport> Got { get; } = new();

        public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken)
        {
            Got.TrySetResult(report);
            return ValueTask.CompletedTask;
        }
    }
}
