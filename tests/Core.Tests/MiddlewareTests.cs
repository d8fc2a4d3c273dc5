using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests;

/// <summary>Middlewares as classes from dependency injection, in one order with the inline ones.</summary>
public sealed class MiddlewareTests
{
    [Fact]
    public async Task Classes_and_delegates_share_one_order_and_the_first_registered_is_outermost()
    {
        var steps = new Steps();
        var done = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .UsePublish(next => context => steps.Note("delegate", () => next(context)))
                .UsePublish<First>()
                .UsePublish(next => context => steps.Note("last", () => next(context)))
                .UseConsume<Outer>()
                .UseConsume(next => async context =>
                {
                    steps.Add("inline");
                    return await next(context);
                })
                .AddConsumer<Ping>("q", (_, _, _) =>
                {
                    steps.Add("handler");
                    done.SetResult();
                    return new(Outcome.Ack);
                }),
            services => services.AddSingleton(steps).AddScoped<PerDelivery>());

        await host.Bus.PublishAsync(new Ping(1));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(["delegate", "class", "last", "outer", "inline", "handler"], steps);
    }

    [Fact]
    public async Task A_consumers_own_are_inside_those_of_all_whichever_were_registered_first()
    {
        var steps = new Steps();
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .AddConsumer<Ping>("q", (_, _, _) => Handle("ping"), options => options.Use(Note("own 1")).Use<Outer>().Use(Note("own 2")) with { Concurrency = 1 })
                .AddConsumer<Pong>("q", (_, _, _) => Handle("pong"), static options => options with { Concurrency = 1 })
                .UseConsume(Note("all 1"))
                .UseConsume(Note("all 2")),
            services => services.AddSingleton(steps).AddScoped<PerDelivery>());

        await host.Bus.SendAsync("q", new Ping(1));
        await host.Bus.SendAsync("q", new Pong(1));
        await Eventually.IsAsync(() => steps.Contains("pong"));

        Assert.Equal(["all 1", "all 2", "own 1", "outer", "own 2", "ping", "all 1", "all 2", "pong"], steps);

        ValueTask<Outcome> Handle(string step)
        {
            steps.Add(step);
            return new(Outcome.Ack);
        }

        ConsumeMiddleware Note(string step) => next => context =>
        {
            steps.Add(step);
            return next(context);
        };
    }

    [Fact]
    public async Task One_of_a_consumer_may_end_the_delivery_with_its_own_outcome()
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging
            .AddConsumer<Ping>(
                "q", static (_, _, _) => throw new InvalidOperationException("never"),
                static options => options.Use(static _ => static _ => new(Outcome.DeadLetter("stopped")))));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        await host.Bus.SendAsync("q", new Ping(1));
        await Eventually.IsAsync(async () => await letters.CountAsync("q") == 1);

        await foreach (var letter in letters.ListAsync("q"))
        {
            Assert.Equal((DeadLetterReason.Rejected, "stopped"), (letter.Info.Reason, letter.Info.Description));
        }
    }

    [Fact]
    public async Task A_class_may_end_a_publish_or_a_delivery_by_itself()
    {
        var steps = new Steps();
        var ended = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .UsePublish<Stops>()
                .UseConsume<StopsToo>()
                .AddConsumer<Ping>("q", (_, _, _) => throw new InvalidOperationException("never")),
            services => services.AddSingleton(steps).AddSingleton(ended));

        Assert.Equal(new PublishReceipt("stopped", PublishStatus.Suppressed), await host.Bus.PublishAsync(new Ping(13)));
        Assert.Equal(PublishStatus.Stored, (await host.Bus.PublishAsync(new Ping(1))).Status);
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();
        Assert.Equal(["stopped"], steps);
    }

    [Fact]
    public async Task A_consume_middleware_is_made_for_each_delivery_in_its_scope()
    {
        var seen = new List<object>();
        var done = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .UseConsume<Outer>()
                .AddConsumer<Ping>(
                    "q",
                    (_, context, _) =>
                    {
                        seen.Add(context.Services.GetRequiredService<Outer>().Scoped);
                        Assert.Same(context.Services.GetRequiredService<PerDelivery>(), seen[^1]);
                        if (seen.Count == 2)
                        {
                            done.SetResult();
                        }

                        return new(Outcome.Ack);
                    },
                    static options => options with { Concurrency = 1 }),
            services => services.AddSingleton<Steps>().AddScoped<PerDelivery>());

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.NotSame(seen[0], seen[1]);
    }

    [Fact]
    public async Task Correlation_ids_are_made_where_a_flow_begins_and_nowhere_else()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(messaging => messaging
            .UseTransport("scripted", _ => transport)
            .UseCorrelationIds(static context => $"of {((Ping)context.Message).Number}"));

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2), new() { CorrelationId = "explicit", Key = "k" });

        Assert.Equal([("of 1", null), ("explicit", "k")], transport.Published.Select(static one => (one.Envelope.CorrelationId, one.Envelope.Key)));
    }

    [Fact]
    public async Task A_flow_that_goes_on_keeps_its_correlation_id()
    {
        var (done, count) = (new TaskCompletionSource<string?>(), 0);
        await using var host = await TestHost.StartAsync(messaging => messaging
            .UseCorrelationIds(_ => $"{++count}")
            .AddConsumer<Ping>("q", async (_, context, cancellationToken) =>
            {
                await context.Services.GetRequiredService<IMessageBus>().SendAsync("r", new Pong(1), cancellationToken: cancellationToken);
                return Outcome.Ack;
            })
            .AddConsumer<Pong>("r", (_, context, _) =>
            {
                done.SetResult(context.CorrelationId);
                return new(Outcome.Ack);
            }));

        await host.Bus.PublishAsync(new Ping(1));

        Assert.Equal("1", await done.Task.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal(1, count);
    }

    [Fact]
    public async Task Default_headers_are_made_for_each_message_and_explicit_ones_win()
    {
        var (transport, made) = (new ScriptedTransport(), 0);
        await using var host = await TestHost.StartAsync(messaging => messaging
            .UseTransport("scripted", _ => transport)
            .UseHeader("fixed", "7")
            .UseHeader("made", _ => $"{++made}")
            .UseHeader("number", static context => context.Message is Ping { Number: > 1 } ping ? $"{ping.Number}" : null));

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2), new() { Headers = new Dictionary<string, string> { ["made"] = "mine", ["other"] = "o" } });

        Assert.Equal(
            ["fixed=7 made=1", "fixed=7 made=mine number=2 other=o"],
            transport.Published.Select(static one => string.Join(' ', one.Envelope.Headers.Select(static header => $"{header.Key}={header.Value}").Order())));
    }

    [Fact]
    public async Task A_handler_that_takes_too_long_has_failed_by_its_time_and_the_policy_decides()
    {
        var (attempts, tokens) = (new List<int>(), new List<bool>());
        var done = new TaskCompletionSource();
        Exception? seen = null;
        await using var host = await TestHost.StartAsync(messaging => messaging
            .UseConsume(next => async context =>
            {
                try
                {
                    return await next(context);
                }
                catch (Exception e)
                {
                    seen = e;
                    throw;
                }
                finally
                {
                    tokens.Add(context.CancellationToken.IsCancellationRequested);
                }
            })
            .UseTimeout(TimeSpan.FromMilliseconds(50))
            .AddConsumer<Ping>(
                "q",
                async (_, context, cancellationToken) =>
                {
                    attempts.Add(context.Attempt);
                    if (context.Attempt == 1)
                    {
                        Assert.Equal(context.CancellationToken, cancellationToken);
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                    }

                    done.SetResult();
                    return Outcome.Ack;
                },
                static options => options with { Retry = RetryPolicy.Immediate }));

        await host.Bus.PublishAsync(new Ping(1));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await host.StopAsync();

        Assert.Equal([1, 2], attempts);
        Assert.Equal([false, false], tokens);
        Assert.Contains("'q:tests.ping'", Assert.IsType<TimeoutException>(seen).Message, StringComparison.Ordinal);
    }

    private sealed class Steps : List<string>
    {
        public ValueTask<PublishReceipt> Note(string step, Func<ValueTask<PublishReceipt>> next)
        {
            Add(step);
            return next();
        }
    }

    private sealed class PerDelivery;

    private sealed class First(Steps steps) : IPublishMiddleware
    {
        public ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate next) => steps.Note("class", () => next(context));
    }

    private sealed class Stops : IPublishMiddleware
    {
        public ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate next) =>
            context.Message is Ping { Number: 13 } ? new(new PublishReceipt("stopped", PublishStatus.Suppressed)) : next(context);
    }

    private sealed class Outer(Steps steps, PerDelivery scoped) : IConsumeMiddleware
    {
        public PerDelivery Scoped { get; } = scoped;

        public ValueTask<Outcome> ConsumeAsync(ConsumeContext context, ConsumeDelegate next)
        {
            steps.Add("outer");
            return next(context);
        }
    }

    private sealed class StopsToo(Steps steps, TaskCompletionSource ended) : IConsumeMiddleware
    {
        public ValueTask<Outcome> ConsumeAsync(ConsumeContext context, ConsumeDelegate next)
        {
            steps.Add("stopped");
            ended.SetResult();
            return new(Outcome.Ack);
        }
    }
}
