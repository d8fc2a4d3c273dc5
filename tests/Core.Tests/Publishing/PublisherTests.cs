using System.Text;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Publishing;

/// <summary>What a publish comes to: refused before the broker, tried again under one id, or told truthfully.</summary>
public sealed class PublisherTests
{
    private static readonly TransportException Away = new("away", TransportError.Unavailable);

    [Fact]
    public async Task A_transient_failure_is_tried_again_under_the_same_id()
    {
        var transport = new ScriptedTransport(new(PublishStatus.NotSent, Away), new(PublishStatus.Unknown, Away), new(PublishStatus.Stored));
        await using var host = await HostOn(transport);

        var receipt = await host.Bus.PublishAsync(new Ping(1));

        Assert.Equal(PublishStatus.Stored, receipt.Status);
        Assert.Equal(3, transport.Published.Count);
        Assert.All(transport.Published, message => Assert.Equal(receipt.MessageId, message.Envelope.Id));
        Assert.All(transport.Published, message => Assert.Equal("""{"number":1,"text":""}""", Encoding.UTF8.GetString(message.Envelope.Body.Span)));
    }

    [Fact]
    public async Task Once_a_try_ended_unknown_the_publish_cannot_end_as_not_sent()
    {
        var answers = Enumerable.Repeat(new PublishResult(PublishStatus.NotSent, Away), 100).Prepend(new(PublishStatus.Unknown, Away));
        await using var host = await HostOn(new ScriptedTransport([.. answers]), TimeSpan.FromMilliseconds(300));

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1)));

        Assert.Equal(PublishStatus.Unknown, e.Status);
        Assert.Same(Away, e.InnerException);
    }

    [Fact]
    public async Task A_broker_that_stays_away_ends_as_not_sent_within_the_timeout()
    {
        var answers = Enumerable.Repeat(new PublishResult(PublishStatus.NotSent, Away), 100);
        await using var host = await HostOn(new ScriptedTransport([.. answers]), TimeSpan.FromMilliseconds(300));
        var started = TimeProvider.System.GetTimestamp();

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1)));

        Assert.Equal(PublishStatus.NotSent, e.Status);
        Assert.InRange(TimeProvider.System.GetElapsedTime(started).TotalSeconds, 0.2, 5);
    }

    [Fact]
    public async Task Refused_credentials_are_not_tried_again()
    {
        var refused = new TransportException("refused", TransportError.CredentialsRefused);
        var transport = new ScriptedTransport(new PublishResult(PublishStatus.NotSent, refused));
        await using var host = await HostOn(transport);

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1)));

        Assert.Same(refused, e.InnerException);
        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task Without_a_started_host_the_error_says_so()
    {
        await using var host = TestHost.Create(m => m.Configure(o => o with { PublishTimeout = TimeSpan.FromMilliseconds(100) }));

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1)));

        Assert.Equal(PublishStatus.NotSent, e.Status);
        Assert.Contains("has not been started", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_callers_cancellation_is_a_cancellation()
    {
        var answers = Enumerable.Repeat(new PublishResult(PublishStatus.NotSent, Away), 1000);
        await using var host = await HostOn(new ScriptedTransport([.. answers]));
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await host.Bus.PublishAsync(new Ping(1), cancellationToken: cancel.Token));
    }

    [Fact]
    public async Task A_publish_waits_for_the_topology()
    {
        var declared = new TaskCompletionSource();
        var transport = new ScriptedTransport { OnDeclare = () => new(declared.Task) };
        await using var host = TestHost.Create(m => m.UseTransport("scripted", _ => transport));
        await host.StartAsync();

        var publish = host.Bus.PublishAsync(new Ping(1)).AsTask();
        Assert.Empty(transport.Published);
        Assert.False(publish.IsCompleted);
        declared.SetResult();

        Assert.Equal(PublishStatus.Stored, (await publish).Status);
    }

    [Fact]
    public async Task A_topic_without_a_queue_is_told_and_an_error_only_when_subscribers_are_required()
    {
        await using var host = await TestHost.StartAsync(_ => { });

        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Ping(1))).Status);
        var e = await Assert.ThrowsAsync<PublishException>(
            async () => await host.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = true }));
        Assert.Equal(PublishStatus.Unroutable, e.Status);
    }

    [Fact]
    public async Task A_send_to_a_missing_queue_is_an_error_that_names_it()
    {
        await using var host = await TestHost.StartAsync(_ => { });

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("no-such-queue", new Ping(1)));

        Assert.Equal(PublishStatus.Unroutable, e.Status);
        Assert.Contains("'no-such-queue'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_options_reach_the_envelope()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);
        var headers = new Dictionary<string, string> { ["colour"] = "grün" };

        await host.Bus.PublishAsync(
            new Ping(1),
            new() { Topic = "other.topic", MessageId = "m-1", CorrelationId = "c-1", Key = "k-1", Headers = headers, Delay = TimeSpan.FromSeconds(3) });

        var message = Assert.Single(transport.Published);
        Assert.Equal((Destination.Topic("other.topic"), TimeSpan.FromSeconds(3)), (message.Destination, message.Delay));
        var e = message.Envelope;
        Assert.Equal(("m-1", "c-1", "k-1", "tests.ping", "application/json", "other.topic"), (e.Id, e.CorrelationId, e.Key, e.Type, e.ContentType, e.Topic));
        Assert.Equal("grün", e.Headers["colour"]);
        Assert.Equal(1, e.Attempt);
    }

    [Theory]
    [InlineData("a\rb", "ok", "U+000D")]
    [InlineData("ok", "a\nNats-Msg-Id: x", "U+000A")]
    [InlineData("ok", "a\0b", "U+0000")]
    [InlineData("", "ok", "empty")]
    public async Task Headers_that_could_forge_others_are_refused(string name, string value, string why)
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        var e = await Assert.ThrowsAsync<PublishException>(
            async () => await host.Bus.PublishAsync(new Ping(1), new() { Headers = new Dictionary<string, string> { [name] = value } }));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(e.Message, char.IsControl);
        Assert.Empty(transport.Published);
    }

    [Fact]
    public async Task Half_of_a_surrogate_pair_is_refused_and_a_whole_one_is_not()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);
        Dictionary<string, string> Header(string value) => new() { ["h"] = value };

        await host.Bus.PublishAsync(new Ping(1), new() { Headers = Header("\ud83d\ude80") });
        foreach (var half in new[] { "\ud83d", "\ude80", "\ude80\ud83d", "a\ud83db" })
        {
            var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), new() { Headers = Header(half) }));
            Assert.Contains("half of a surrogate", e.Message, StringComparison.Ordinal);
        }

        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task Limits_of_headers_hold_exactly()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);
        Dictionary<string, string> Many(int count) => Enumerable.Range(0, count).ToDictionary(i => $"h{i}", _ => "v");

        await host.Bus.PublishAsync(new Ping(1), new() { Headers = Many(64) });
        await host.Bus.PublishAsync(new Ping(1), new() { Headers = new Dictionary<string, string> { [new('n', 128)] = new('v', 4096) } });
        await Refused(Many(65), "65 headers");
        await Refused(new() { [new('n', 129)] = "v" }, "129 bytes");
        await Refused(new() { ["n"] = new('v', 4097) }, "4097 bytes");
        await Refused(Enumerable.Range(0, 5).ToDictionary(i => $"h{i}", _ => new string('v', 4000)), "in all");
        Assert.Equal(2, transport.Published.Count);

        async Task Refused(Dictionary<string, string> headers, string why)
        {
            var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), new() { Headers = headers }));
            Assert.Contains(why, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_body_is_refused_one_byte_above_the_limit()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);
        var overhead = """{"number":1,"text":""}""".Length;

        await host.Bus.PublishAsync(new Ping(1, new('x', (1024 * 1024) - overhead)));
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1, new('x', (1024 * 1024) - overhead + 1))));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Equal(1024 * 1024, Assert.Single(transport.Published).Envelope.Body.Length);
    }

    [Theory]
    [InlineData("Upper")]
    [InlineData("q'; drop table x;--")]
    [InlineData("a..b")]
    [InlineData("")]
    public async Task Illegal_queue_names_are_refused(string queue)
    {
        await using var host = await TestHost.StartAsync(_ => { });
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync(queue, new Ping(1)));
        Assert.Equal(PublishStatus.Rejected, e.Status);
    }

    [Fact]
    public async Task A_message_published_as_object_is_refused_because_it_has_no_name()
    {
        await using var host = await TestHost.StartAsync(_ => { });
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await host.Bus.PublishAsync<object>(new Ping(1)));
    }

    private static Task<TestHost> HostOn(ScriptedTransport transport, TimeSpan? timeout = null) => TestHost.StartAsync(m => m
        .UseTransport("scripted", _ => transport)
        .Configure(o => o with { PublishTimeout = timeout ?? TimeSpan.FromSeconds(10) }));
}
