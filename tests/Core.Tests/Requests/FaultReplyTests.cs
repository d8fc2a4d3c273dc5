using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Requests;

/// <summary>Whoever waits for an answer is told that none will come, however that came about.</summary>
public sealed class FaultReplyTests
{
    [Theory]
    [InlineData(ExhaustedMessage.DeadLetter)]
    [InlineData(ExhaustedMessage.Discard)]
    public async Task A_handler_that_fails_for_good_is_told_with_its_reason(ExhaustedMessage onExhausted)
    {
        var runs = 0;
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>(
            "q",
            (_, _, _) =>
            {
                runs++;
                throw new InvalidOperationException("no apples");
            },
            options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 3, OnExhausted = onExhausted } }));

        var fault = await FaultAsync(host, new(1));

        Assert.Equal(
            (DeadLetterReason.Exhausted, typeof(InvalidOperationException).FullName, "no apples", 3),
            (fault.Reason, fault.ExceptionType, fault.ExceptionMessage, runs));
        Assert.Contains("no apples", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_consumer_that_refuses_is_told()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.DeadLetter("not today"))));

        var fault = await FaultAsync(host, new(1));

        Assert.Equal((DeadLetterReason.Rejected, "not today", null), (fault.Reason, fault.Description, fault.ExceptionType));
    }

    [Fact]
    public async Task What_nobody_takes_or_can_read_is_told()
    {
        await using var host = await TestHost.StartAsync(static m => m.AddConsumer<Ping>("q", RequestTests.Answering));

        var unknown = await Assert.ThrowsAsync<RequestFaultedException>(async () => await host.Bus.RequestAsync<Pong, Pong>("q", new(1)));
        var malformed = await Assert.ThrowsAsync<RequestFaultedException>(
            async () => await host.Bus.RequestAsync<string, Pong>("q", "{", new() { MessageType = "tests.ping", ContentType = "application/json" }));

        Assert.Equal((DeadLetterReason.UnknownType, DeadLetterReason.Malformed), (unknown.Reason, malformed.Reason));
    }

    [Fact]
    public async Task The_dead_letter_is_there_when_the_fault_comes_and_the_callback_runs_too()
    {
        var told = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>(
            "q", static (_, _, _) => new(Outcome.DeadLetter("no")),
            options => options with
            {
                OnFailed = (_, _) =>
                {
                    told.SetResult();
                    return default;
                },
            }));

        await FaultAsync(host, new(1));

        Assert.Equal(1, await host.Services.GetRequiredService<IDeadLetters>().CountAsync("q"));
        await told.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task No_switch_and_no_middleware_keeps_a_fault_back()
    {
        var published = 0;
        await using var host = await TestHost.StartAsync(m => m
            .UsePublish(next => context =>
            {
                published++;
                return next(context);
            })
            .AddConsumer<Ping>("q", static (_, context, _) =>
            {
                context.Services.GetRequiredService<PublishingSwitch>().IsOn = false;
                return new(Outcome.DeadLetter("no"));
            }));

        await FaultAsync(host, new(1));

        Assert.Equal(1, published);
    }

    [Theory]
    [InlineData("NO QUEUE")]
    [InlineData("amq.rabbitmq.reply-to.abc")]
    [InlineData("gone")]
    [InlineData("postrider.replies.0123456789abcdef01234567")]
    public async Task An_address_where_nobody_is_breaks_nothing(string replyTo)
    {
        var answered = new TaskCompletionSource<bool>();
        using var lost = new Counting("postrider.faults.lost");
        await using var host = await TestHost.StartAsync(
            m => m.AddConsumer<Ping>("q", async (_, context, cancellationToken) =>
            {
                answered.TrySetResult(await context.RespondAsync(new Pong(1), null, cancellationToken));
                return Outcome.DeadLetter("no");
            }),
            static s => s.AddMetrics());
        lost.Of(host);

        await host.Bus.SendAsync("q", new Ping(1), new() { ReplyTo = replyTo });

        Assert.False(await answered.Task.WaitAsync(TimeSpan.FromSeconds(20)));
        await Eventually.IsAsync(() => lost.Sum == 1);
        Assert.Equal(1, await host.Services.GetRequiredService<IDeadLetters>().CountAsync("q"));
    }

    [Fact]
    public async Task A_fault_is_not_answered_by_a_fault()
    {
        // Two queues that give each other for answers, and take neither.
        await using var host = await TestHost.StartAsync(static m => m
            .AddConsumer<Ping>("a", static (_, _, _) => new(Outcome.DeadLetter("no"))).AddConsumer<Pong>("b", static (_, _, _) => new(Outcome.Ack)));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        await host.Bus.SendAsync("a", new Ping(1), new() { ReplyTo = "b" });
        await Eventually.IsAsync(async () => await letters.CountAsync("b") == 1);
        await host.Bus.SendAsync("b", "{}", new() { MessageType = "postrider.fault", ReplyTo = "a" });
        await Eventually.IsAsync(async () => await letters.CountAsync("b") == 2);

        await host.StopAsync();
        Assert.Equal(1, await letters.CountAsync("a"));
    }

    [Fact]
    public async Task Nobody_is_told_of_a_failure_that_the_broker_did_not_take()
    {
        // Another has the message by then, and may answer it.
        await using var host = await TestHost.StartAsync(static m => m
            .UseTransport("losing", static _ => new LosingTransport()).AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.DeadLetter("no"))));

        await Assert.ThrowsAsync<RequestTimeoutException>(async () => await host.Bus.RequestAsync<Ping, Pong>("q", new(1), new() { TimeToLive = TimeSpan.FromMilliseconds(500) }));
    }

    [Fact]
    public async Task What_is_no_request_is_not_answered_and_a_request_is_answered_once()
    {
        var seen = new List<object>();
        var ends = new SemaphoreSlim(0);
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<Ping>("q", async (ping, context, cancellationToken) =>
        {
            seen.Add(await context.RespondAsync(new Pong(ping.Number), null, cancellationToken));
            if (context.ReplyTo is not null)
            {
                seen.Add((await Assert.ThrowsAsync<InvalidOperationException>(async () => await context.RespondAsync(new Pong(0), null, cancellationToken))).GetType());
            }

            ends.Release();
            return Outcome.Ack;
        }));

        await host.Bus.SendAsync("q", new Ping(1));
        Assert.True(await ends.WaitAsync(TimeSpan.FromSeconds(20)));
        for (var i = 0; i < 2; i++)
        {
            await host.Bus.RequestAsync<Ping, Pong>("q", new(i));
            Assert.True(await ends.WaitAsync(TimeSpan.FromSeconds(20)));
        }

        Assert.Equal([false, true, typeof(InvalidOperationException), true, typeof(InvalidOperationException)], seen);
    }

    [Fact]
    public async Task Another_process_can_answer_later_and_other_programs_by_the_correlation_id()
    {
        var broker = new InMemoryBroker();
        var asked = new TaskCompletionSource<Envelope>();
        await using var host = await TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>("q", (_, context, _) =>
        {
            asked.SetResult(context.Envelope with { Body = default });
            return new(Outcome.Ack);
        }));
        var foreign = new InMemoryTransport(broker);

        var first = host.Bus.RequestAsync<Ping, Pong>("q", new(1)).AsTask();
        var request = await asked.Task;
        await host.Bus.SendAsync(request.ReplyTo!, new Pong(5), new() { CausationId = request.Id });
        Assert.Equal(5, (await first).Number);

        asked = new();
        var second = host.Bus.RequestAsync<Ping, Pong>("q", new(2)).AsTask();
        request = await asked.Task;
        await foreign.PublishAsync(
            new[] { new OutgoingMessage(Destination.Queue(request.ReplyTo!), new() { Id = "x", CorrelationId = request.CorrelationId, Body = """{"number":6}"""u8.ToArray() }) },
            new PublishResult[1], CancellationToken.None);
        Assert.Equal(6, (await second).Number);
    }

    private static async Task<RequestFaultedException> FaultAsync(TestHost host, Ping ping) =>
        await Assert.ThrowsAsync<RequestFaultedException>(async () => await host.Bus.RequestAsync<Ping, Pong>("q", ping));

    /// <summary>Its leases are always over when something is settled.</summary>
    private sealed class LosingTransport : ITransport, IReplyQueues
    {
        private readonly InMemoryTransport _inner = new(new());

        public TransportCapabilities Capabilities => _inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => _inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            _inner.PublishAsync(batch, results, cancellationToken);

        public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            new Receiver(await _inner.OpenReceiverAsync(options, cancellationToken));

        public ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken) =>
            ((IReplyQueues)_inner).OpenReplyQueueAsync(queue, cancellationToken);

        public ValueTask DisposeAsync() => _inner.DisposeAsync();

        private sealed class Receiver(IReceiver inner) : IReceiver
        {
            public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

            public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
            {
                results.Span.Fill(SettleResult.Lost);
                return default;
            }

            public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
