using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Requests;

public sealed class RequestTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task The_answer_comes_back_to_whoever_asked()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", Answering));

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(n => host.Bus.RequestAsync<Ping, Pong>("q", new(n)).AsTask()));

        Assert.Equal(Enumerable.Range(0, 50), answers.Select(static one => one.Number));
    }

    [Fact]
    public async Task A_request_tells_its_consumer_what_a_message_tells()
    {
        var seen = new TaskCompletionSource<Envelope>();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>("q", async (ping, context, cancellationToken) =>
        {
            seen.SetResult(context.Envelope with { Body = default });
            Assert.True(await context.RespondAsync(new Pong(ping.Number), null, cancellationToken));
            return Outcome.Ack;
        }));

        await host.Bus.RequestAsync<Ping, Pong>("q", new(1), new() { Key = "k", TimeToLive = TimeSpan.FromMinutes(5) });

        var request = await seen.Task;
        Assert.True(Names.IsReplyQueue(request.ReplyTo), request.ReplyTo);
        Assert.Equal(("k", request.Id), (request.Key, request.CorrelationId));
        Assert.InRange(request.ExpiresAt!.Value - request.SentAt!.Value, TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task To_a_topic_the_first_answer_counts_and_later_ones_are_dropped()
    {
        using var dropped = new Counting("postrider.answers.dropped");
        await using var host = await TestHost.StartAsync(static m => m
            .AddConsumer<Ping>("first", Answering).AddConsumer<Ping>("second", Answering), static s => s.AddMetrics());
        dropped.Of(host);

        Assert.Equal(7, (await host.Bus.RequestAsync<Ping, Pong>(new Ping(7))).Number);

        await Eventually.IsAsync(() => dropped.Sum == 1);
    }

    [Fact]
    public async Task That_nobody_can_answer_is_told_at_once()
    {
        await using var host = await TestHost.StartAsync(static _ => { });

        var topic = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>(new Ping(1)));
        var queue = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>("none", new Ping(1)));

        Assert.Equal((PublishStatus.Unroutable, PublishStatus.Unroutable), (topic.Status, queue.Status));
    }

    [Fact]
    public async Task An_answer_of_another_type_is_no_answer()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", Answering));

        var wrong = await Assert.ThrowsAsync<MalformedMessageException>(async () => await host.Bus.RequestAsync<Ping, Ping>("q", new(1)));

        Assert.Contains("tests.pong", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_are_compressed_and_text_and_bytes_are_answers()
    {
        await using var host = await TestHost.StartAsync(static m => m.UseCompression().AddConsumer<Ping>("q", static async (ping, context, cancellationToken) =>
        {
            await context.RespondAsync(new string('x', ping.Number), null, cancellationToken);
            return Outcome.Ack;
        }));

        Assert.Equal(100_000, (await host.Bus.RequestAsync<Ping, string>("q", new(100_000))).Length);
        Assert.Equal(100_000, (await host.Bus.RequestAsync<Ping, ReadOnlyMemory<byte>>("q", new(100_000))).ToArray().Count(static one => one == 'x'));
    }

    [Fact]
    public async Task Nothing_but_the_time_ends_the_wait_for_an_answer_that_does_not_come()
    {
        var time = new FakeTimeProvider();
        var seen = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(
            m => m.UseInMemory(new(time)).AddConsumer<Ping>("q", (_, _, _) =>
            {
                seen.SetResult();
                return new(Outcome.Ack);
            }),
            s => s.AddSingleton<TimeProvider>(time));

        var asking = host.Bus.RequestAsync<Ping, Pong>("q", new(1), new() { TimeToLive = TimeSpan.FromSeconds(7) }).AsTask();
        await seen.Task.WaitAsync(Patience);
        time.Advance(TimeSpan.FromSeconds(6.9));
        Assert.False(asking.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));

        var late = await Assert.ThrowsAsync<RequestTimeoutException>(() => asking);
        Assert.Contains("00:00:07", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_asked_in_a_handler_has_no_more_time_than_the_request_it_serves()
    {
        var time = new FakeTimeProvider();
        var inner = new TaskCompletionSource<TimeSpan>();
        await using var host = await TestHost.StartAsync(
            m => m.UseInMemory(new(time))
                .AddConsumer<Ping>("outer", async (ping, context, cancellationToken) =>
                {
                    time.Advance(TimeSpan.FromSeconds(4));
                    var pong = await context.Services.GetRequiredService<IMessageBus>().RequestAsync<Ping, Pong>("inner", ping, null, cancellationToken);
                    await context.RespondAsync(pong, null, cancellationToken);
                    return Outcome.Ack;
                })
                .AddConsumer<Ping>("inner", async (ping, context, cancellationToken) =>
                {
                    inner.SetResult(context.ExpiresAt!.Value - context.SentAt!.Value);
                    await context.RespondAsync(new Pong(ping.Number), null, cancellationToken);
                    return Outcome.Ack;
                }),
            s => s.AddSingleton<TimeProvider>(time));

        await host.Bus.RequestAsync<Ping, Pong>("outer", new(1), new() { TimeToLive = TimeSpan.FromSeconds(10) });

        Assert.Equal(TimeSpan.FromSeconds(6), await inner.Task);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_makes_no_sense_for_a_request_is_refused(PublishOptions options)
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", Answering));

        var refused = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>("q", new(1), options));

        Assert.Equal(PublishStatus.Rejected, refused.Status);
    }

    public static TheoryData<PublishOptions> Refused() => new(
        new PublishOptions { ReplyTo = "mine" }, new PublishOptions { Delay = TimeSpan.FromSeconds(1) }, new PublishOptions { NotBefore = DateTimeOffset.UnixEpoch },
        new PublishOptions { TimeToLive = TimeSpan.Zero }, new PublishOptions { TimeToLive = TimeSpan.FromDays(2) }, new PublishOptions { Transport = "other" });

    [Fact]
    public async Task A_transport_without_queues_for_answers_says_so()
    {
        await using var host = await TestHost.StartAsync(static m => m.UseTransport("scripted", static _ => new ScriptedTransport()));

        var refused = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>("q", new(1)));

        Assert.Contains("it has no queues", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_that_is_switched_off_is_told_at_once()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", Answering));
        using var off = host.Services.GetRequiredService<PublishingSwitch>().Suppress<Ping>();

        var suppressed = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>("q", new(1)));

        Assert.Equal(PublishStatus.Suppressed, suppressed.Status);
    }

    [Fact]
    public async Task Cancelling_ends_the_wait()
    {
        using var cancel = new CancellationTokenSource();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>("q", (_, _, _) =>
        {
            cancel.Cancel();
            return new(Outcome.Ack);
        }));

        var cancelled = await Assert.ThrowsAsync<OperationCanceledException>(
            async () => await host.Bus.RequestAsync<Ping, Pong>("q", new(1), null, cancel.Token).AsTask().WaitAsync(Patience));

        Assert.Equal(cancel.Token, cancelled.CancellationToken);
    }

    [Fact]
    public async Task Running_handlers_get_their_answers_while_the_host_stops_and_who_waits_still_is_told()
    {
        var broker = new InMemoryBroker();
        TaskCompletionSource began = new(), mayAsk = new(), mayAnswer = new();
        var got = new TaskCompletionSource<int>();
        await using var service = await TestHost.StartAsync(m => m.UseInMemory(broker)
            .AddConsumer<Ping>("service", Answering).AddConsumer<Ping>("silent", static (_, _, _) => new(Outcome.Ack)));
        await using var host = await TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>("asks", async (ping, context, cancellationToken) =>
        {
            began.SetResult();
            await mayAsk.Task;
            got.SetResult((await context.Services.GetRequiredService<IMessageBus>().RequestAsync<Ping, Pong>("service", ping, null, cancellationToken)).Number);
            return Outcome.Ack;
        }));
        var unanswered = host.Bus.RequestAsync<Ping, Pong>("silent", new(1)).AsTask();
        await host.Bus.SendAsync("asks", new Ping(3));
        await began.Task.WaitAsync(Patience);

        var stopping = host.StopAsync();
        await Eventually.IsAsync(() => host.Status.Queues["asks"] == QueueState.Draining);
        mayAsk.SetResult();

        Assert.Equal(3, await got.Task.WaitAsync(Patience));
        await stopping.WaitAsync(Patience);
        var stopped = await Assert.ThrowsAsync<OperationCanceledException>(() => unanswered.WaitAsync(Patience));
        Assert.Contains("stopped", stopped.Message, StringComparison.Ordinal);
        var late = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Ping, Pong>("service", new(1)));
        Assert.Equal(PublishStatus.NotSent, late.Status);
    }

    internal static async ValueTask<Outcome> Answering(Ping ping, ConsumeContext context, CancellationToken cancellationToken)
    {
        await context.RespondAsync(new Pong(ping.Number), null, cancellationToken);
        return Outcome.Ack;
    }
}

/// <summary>Adds up a counter of one host.</summary>
internal sealed class Counting : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _sum;

    public Counting(string name) => Name = name;

    public string Name { get; }

    public long Sum => Interlocked.Read(ref _sum);

    public void Of(TestHost host)
    {
        var scope = host.Services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == Name && instrument.Meter.Scope == scope)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _sum, value));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();
}
