using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Publishing;

/// <summary>What is just refused and what is just not, and what an error tells of a publish that was tried.</summary>
public sealed class PublishLimitsTests
{
    private static readonly TransportException Away = new("away", TransportError.Unavailable);

    public static TheoryData<string, PublishOptions> Texts(string text) => new()
    {
        { "message id", new() { MessageId = text } },
        { "correlation id", new() { CorrelationId = text } },
        { "causation id", new() { CausationId = text } },
        { "queue for the answer", new() { ReplyTo = text } },
        { "key", new() { Key = text } },
        { "subject", new() { Subject = text } },
        { "content type", new() { ContentType = text } },
        { "type", new() { MessageType = text } },
    };

    [Theory]
    [MemberData(nameof(Texts), "a\nb")]
    [MemberData(nameof(Texts), "")]
    public async Task Texts_beside_the_body_are_not_empty_and_have_no_control_characters(string what, PublishOptions options)
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(transport);

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", new byte[1], options));

        Assert.Contains($"The {what} ", e.Message, StringComparison.Ordinal);
        Assert.Empty(transport.Published);
    }

    [Fact]
    public async Task All_headers_together_may_reach_their_limit()
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(transport);
        var headers = Enumerable.Range(0, 4).ToDictionary(static i => $"{i}", static _ => new string('v', 4095));

        await host.Bus.SendAsync("q", "text", new() { Headers = headers });
        headers["more"] = "";
        await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text", new() { Headers = headers }));

        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task A_send_has_no_topic_and_no_delay_goes_with_a_due_time()
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(transport);

        await host.Bus.SendAsync("q", "text", new() { Delay = TimeSpan.Zero, NotBefore = DateTimeOffset.UnixEpoch });
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text", new() { Topic = "t" }));

        Assert.Contains("no topic", e.Message, StringComparison.Ordinal);
        Assert.Single(transport.Published);
    }

    [Fact]
    public async Task The_last_error_that_was_told_is_told()
    {
        var answers = Enumerable.Repeat(new PublishResult(PublishStatus.NotSent), 100).Prepend(new(PublishStatus.NotSent, Away));
        await using var host = await StartAsync(new ScriptedTransport([.. answers]), TimeSpan.FromMilliseconds(200));

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text"));

        Assert.Same(Away, e.InnerException);
    }

    [Fact]
    public async Task So_is_why_the_broker_has_not_been_reached_yet()
    {
        await using var host = TestHost.Create(static messaging => messaging
            .UseTransport("scripted", static _ => new ScriptedTransport { OnDeclare = static () => throw Away })
            .Configure(static options => options with { PublishTimeout = TimeSpan.FromMilliseconds(200) }));
        await host.StartAsync();
        await Eventually.IsAsync(() => host.Status.Error is not null);

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text"));

        Assert.Same(Away, e.InnerException);
    }

    [Fact]
    public async Task What_a_transport_may_still_look_at_is_not_used_again()
    {
        var transport = new ScriptedTransport([.. Enumerable.Repeat(new PublishResult(PublishStatus.Unknown), 100)]);
        await using var host = await StartAsync(transport, TimeSpan.FromMilliseconds(100));

        await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("q", "text", new() { MessageId = "first" }));
        var seen = transport.Last!;
        transport.AlwaysStores = true;
        for (var i = 0; i < 100; i++)
        {
            await host.Bus.SendAsync("q", "text");
        }

        Assert.Equal("first", seen.Id);
    }

    [Fact]
    public async Task A_flow_begins_with_the_id_of_its_first_message_and_explicit_ids_win_in_a_handler()
    {
        var seen = new TaskCompletionSource<Envelope[]>();
        var got = new List<Envelope>();
        await using var host = await TestHost.StartAsync(messaging => messaging
            .AddConsumer<Ping>("q", static async (_, context, cancellationToken) =>
            {
                var bus = context.Services.GetRequiredService<IMessageBus>();
                await bus.SendAsync("r", new Pong(1), null, cancellationToken);
                await bus.SendAsync("r", new Pong(2), new() { CorrelationId = "flow", CausationId = "cause" }, cancellationToken);
                return Outcome.Ack;
            })
            .AddConsumer<Pong>(
                "r",
                (_, context, _) =>
                {
                    got.Add(context.Envelope);
                    if (got.Count == 2)
                    {
                        seen.SetResult([.. got]);
                    }

                    return new(Outcome.Ack);
                },
                static options => options with { Concurrency = 1 }));

        await host.Bus.SendAsync("q", new Ping(1), new() { MessageId = "first" });

        Assert.Equal(
            [("first", "first"), ("flow", "cause")],
            (await seen.Task.WaitAsync(TimeSpan.FromSeconds(10))).Select(static one => (one.CorrelationId!, one.CausationId!)));
    }

    [Fact]
    public async Task Scopes_may_end_in_any_order()
    {
        var transport = new ScriptedTransport();
        await using var host = await StartAsync(transport);
        var publishing = host.Services.GetRequiredService<PublishingSwitch>();
        publishing.IsOn = false;

        var outer = publishing.Suppress();
        using (publishing.Allow())
        {
            outer.Dispose();
            Assert.Equal(PublishStatus.Stored, (await host.Bus.SendAsync("q", "text")).Status);
        }

        Assert.Equal(PublishStatus.Suppressed, (await host.Bus.SendAsync("q", "text")).Status);
    }

    private static Task<TestHost> StartAsync(ScriptedTransport transport, TimeSpan? timeout = null) => TestHost.StartAsync(messaging => messaging
        .UseTransport("scripted", _ => transport)
        .Configure(options => options with { PublishTimeout = timeout ?? options.PublishTimeout }));
}
