using System.Collections.Concurrent;
using System.Data;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>The Core's side of transactional handling: what commits, what rolls back first, and what joins.</summary>
public sealed class TransactionalConsumerTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly InMemoryBroker _broker = new();
    private readonly TransactionalTransport _transport;
    private readonly ConcurrentQueue<(int Attempt, int Redeliveries)> _runs = new();
    private readonly ConcurrentQueue<int> _answers = new();
    private readonly ListLog _log = new();
    private TestHost? _host;
    private TestHost? _listener;

    public TransactionalConsumerTests() => _transport = new(_broker);

    private TestHost Host => _host!;

    public async ValueTask DisposeAsync()
    {
        foreach (var host in new[] { _host, _listener }.OfType<TestHost>())
        {
            await host.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_is_done_is_committed_with_what_was_published()
    {
        await StartAsync(async (_, _) =>
        {
            await Host.Bus.PublishAsync(new Pong(1));
            Assert.Empty(_answers);
            return Outcome.Ack;
        });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => _answers.Count == 1);
        Assert.Equal(["begin", "commit"], Handling);
    }

    [Theory]
    [InlineData("retry", "begin rollback Retry begin rollback DeadLetter")]
    [InlineData("throw", "begin rollback Retry begin rollback DeadLetter")]
    [InlineData("dead-letter", "begin rollback DeadLetter")]
    public async Task What_is_not_done_is_rolled_back_and_then_settled(string how, string events)
    {
        await StartAsync(async (_, _) =>
        {
            await Host.Bus.PublishAsync(new Pong(1));
            return how switch
            {
                "retry" => Outcome.Retry(TimeSpan.Zero),
                "dead-letter" => Outcome.DeadLetter("not wanted"),
                _ => throw new InvalidOperationException("no"),
            };
        });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => Handling.LastOrDefault() == "DeadLetter");
        Assert.Equal(events.Split(' '), Handling);
        Assert.Empty(await AnswersAsync());
    }

    [Fact]
    public async Task What_is_exhausted_and_discarded_was_not_done()
    {
        await StartAsync(
            static (_, _) => new(Outcome.Retry(TimeSpan.Zero)),
            o => o with { Retry = RetryPolicy.Immediate with { MaxAttempts = 1, OnExhausted = ExhaustedMessage.Discard } });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => Handling.LastOrDefault() == "Ack");
        Assert.Equal(["begin", "rollback", "Ack"], Handling);
    }

    [Theory]
    [InlineData(CommitStatus.Lost, "The settlement of the message m-1 of 'transacted' had no effect: its lease was over. It is handled again.")]
    [InlineData(CommitStatus.Unknown, "The connection broke while the message m-1 of 'transacted' was committed. If it was not, it is handled again when its lease is over.")]
    public async Task A_commit_that_was_lost_or_is_not_known_settles_nothing_and_is_told(CommitStatus status, string told)
    {
        _transport.OnCommit = () => status;
        await StartAsync(static (_, _) => new(Outcome.Ack), o => o with { Concurrency = 1 });

        await Host.Bus.PublishAsync(new Ping(1), new() { MessageId = "m-1" });
        await Eventually.IsAsync(() => Handling.Contains("rollback"));
        _transport.OnCommit = static () => CommitStatus.Committed;
        await Host.Bus.PublishAsync(new Ping(2));

        await Eventually.IsAsync(() => Handling.Contains("commit"));
        Assert.Equal(["begin", "rollback", "begin", "commit"], Handling);
        Assert.Equal(told, Assert.Single(_log.Lines, static line => line.Text.Contains("m-1", StringComparison.Ordinal)).Text);
    }

    [Fact]
    public async Task Once_it_commits_nothing_cancels_it_any_more()
    {
        ConsumeContext? handled = null;
        var cancelled = true;
        _transport.OnCommit = () =>
        {
            // As the end of the drain does.
            var place = handled!.Place;
            place.Cancel();
            cancelled = place.CancellationToken.IsCancellationRequested;
            return CommitStatus.Committed;
        };
        await StartAsync((context, _) =>
        {
            handled = context;
            return new(Outcome.Ack);
        });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => Handling.Contains("commit"));
        Assert.False(cancelled);
    }

    [Fact]
    public async Task A_commit_that_fails_is_a_failure_of_the_handler()
    {
        var commits = 0;
        _transport.OnCommit = () => ++commits == 1 ? throw new InvalidOperationException("a deferred constraint") : CommitStatus.Committed;
        await StartAsync(static (_, _) => new(Outcome.Ack));

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => Handling.LastOrDefault() == "commit");
        Assert.Equal(["begin", "rollback", "Retry", "begin", "commit"], Handling);
        Assert.Equal([(1, 0), (2, 0)], _runs);
    }

    [Fact]
    public async Task Without_a_connection_a_message_waits_and_burns_no_attempt()
    {
        var begins = 0;
        _transport.OnBegin = _ => ++begins < 3 ? throw new TransportException("no connection", TransportError.Timeout) : ValueTask.CompletedTask;
        await StartAsync(static (_, _) => new(Outcome.Ack));

        await Host.Bus.PublishAsync(new Ping(1), new() { MessageId = "m-1" });

        await Eventually.IsAsync(() => Handling.LastOrDefault() == "commit");
        Assert.Equal((3, (1, 0)), (begins, Assert.Single(_runs)));
        var told = _log.Lines.Where(static line => line.Text.StartsWith("No transaction could be begun", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, told.Count);
        Assert.All(told, static line => Assert.Matches(@"for the message m-1 of 'transacted', trying again in 00:00:00\.\d+: no connection$", line.Text));
    }

    [Fact]
    public async Task What_waits_for_a_connection_is_handed_back_by_the_drain()
    {
        var tried = new TaskCompletionSource();
        _transport.OnBegin = _ =>
        {
            tried.TrySetResult();
            throw new TransportException("no connection", TransportError.Timeout);
        };
        await StartAsync(static (_, _) => new(Outcome.Ack));
        await Host.Bus.PublishAsync(new Ping(1));
        await tried.Task.WaitAsync(Patience);

        await Host.StopAsync().WaitAsync(Patience);

        Assert.Equal("Release", Assert.Single(Handling));
        Assert.Empty(_runs);
    }

    [Fact]
    public async Task A_handler_that_the_drain_cancels_is_rolled_back_and_handed_back()
    {
        var begun = new TaskCompletionSource();
        await StartAsync(async (context, _) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            return Outcome.Ack;
        });
        await Host.Bus.PublishAsync(new Ping(1));
        await begun.Task.WaitAsync(Patience);

        await Host.StopAsync().WaitAsync(Patience);

        Assert.Equal(["begin", "rollback", "Release"], Handling);
    }

    [Fact]
    public async Task A_publish_that_opts_out_is_stored_at_once()
    {
        var (published, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        await StartAsync(async (_, _) =>
        {
            await Host.Bus.PublishAsync(new Pong(1));
            await Host.Bus.PublishAsync(new Pong(2), new() { JoinTransaction = false });
            published.TrySetResult();
            await goOn.Task;
            return Outcome.DeadLetter("not wanted");
        });
        await Host.Bus.PublishAsync(new Ping(1));

        await published.Task.WaitAsync(Patience);
        await Eventually.IsAsync(() => _answers.Contains(2));
        goOn.SetResult();
        await Eventually.IsAsync(() => Handling.Contains("DeadLetter"));
        Assert.Equal(2, Assert.Single(await AnswersAsync()));
    }

    [Fact]
    public async Task A_transaction_that_is_given_wins_over_the_handlers_own()
    {
        var own = new BufferTransaction();
        await StartAsync(async (_, _) =>
        {
            await Host.Bus.PublishAsync(new Pong(1), new() { Transaction = own });
            return Outcome.Ack;
        });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => Handling.Contains("commit"));
        Assert.Single(own.Published);
        Assert.Empty(await AnswersAsync());
    }

    [Fact]
    public async Task What_is_published_in_one_transaction_takes_turns_in_its_order()
    {
        var (now, most) = (0, 0);
        _transport.OnPublish = async () =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Yield();
            Interlocked.Decrement(ref now);
        };
        await StartAsync(async (_, _) =>
        {
            await Host.Bus.PublishBatchAsync(Enumerable.Range(0, 50).Select(static i => new Pong(i)));
            return Outcome.Ack;
        });

        await Host.Bus.PublishAsync(new Ping(1));

        await Eventually.IsAsync(() => _answers.Count == 50);
        Assert.Equal(1, most);
        Assert.Equal(Enumerable.Range(0, 50), _answers);
    }

    [Fact]
    public async Task A_commit_waits_for_a_publish_under_way_and_a_later_one_is_refused()
    {
        var (begun, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var late = new TaskCompletionSource();
        _transport.OnPublish = async () =>
        {
            begun.TrySetResult();
            await goOn.Task;
        };
        Task? first = null, second = null;
        await StartAsync(async (_, message) =>
        {
            if (message.Number == 2)
            {
                return Outcome.Ack;
            }

            first = Host.Bus.PublishAsync(new Pong(1)).AsTask();
            second = Task.Run(async () =>
            {
                await late.Task;
                await Host.Bus.PublishAsync(new Pong(2));
            });
            await begun.Task;
            return Outcome.Ack;
        });
        await Host.Bus.PublishAsync(new Ping(1));

        await begun.Task.WaitAsync(Patience);
        await Host.Bus.PublishAsync(new Ping(2));
        await Eventually.IsAsync(() => Handling.Contains("commit"));
        Assert.Single(Handling, static one => one == "commit");
        goOn.SetResult();
        await Eventually.IsAsync(() => _answers.Count == 1);
        late.SetResult();

        await first!;
        var error = await Assert.ThrowsAsync<PublishException>(() => second!.WaitAsync(Patience));
        Assert.Equal(PublishStatus.Rejected, error.Status);
        Assert.Contains("Await in the handler", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, Assert.Single(await AnswersAsync()));
    }

    [Fact]
    public async Task A_bus_whose_transport_cannot_join_says_what_to_do()
    {
        await using var other = await TestHost.StartAsync(static _ => { });
        var told = new TaskCompletionSource<PublishException>();
        await StartAsync(async (_, _) =>
        {
            await other.Bus.PublishAsync(new Pong(1), new() { JoinTransaction = false });
            try
            {
                await other.Bus.PublishAsync(new Pong(2));
            }
            catch (PublishException e)
            {
                told.SetResult(e);
            }

            return Outcome.Ack;
        });

        await Host.Bus.PublishAsync(new Ping(1));

        var error = await told.Task.WaitAsync(Patience);
        Assert.Equal(PublishStatus.Rejected, error.Status);
        Assert.Contains("JoinTransaction", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Both can take part in transactions, but not in each other's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_publish_to_another_transport_does_not_join_and_says_so(bool joins)
    {
        var failed = new TaskCompletionSource<PublishException?>();
        var other = new TransactionalTransport(new InMemoryBroker());
        await using var host = await TestHost.StartAsync(m => m
            .UseTransport("one", _ => new TransactionalTransport(new InMemoryBroker()))
            .AddTransport("two", _ => other)
            .UseAlso("two")
            .PublishesOf<Pong>(rules => rules.Defaults(new() { JoinTransaction = joins }))
            .AddConsumer<Ping>(
                "q",
                async (_, context, token) =>
                {
                    var bus = context.Services.GetRequiredService<IMessageBus>();
                    try
                    {
                        await bus.PublishAsync(new Pong(1), new() { Transport = "two", Key = "k" }, token);
                        failed.TrySetResult(null);
                    }
                    catch (PublishException e)
                    {
                        failed.TrySetResult(e);
                    }

                    return Outcome.Ack;
                },
                static o => o with { Transactional = true }));

        await host.Bus.SendAsync("q", new Ping(1));

        var refused = await failed.Task.WaitAsync(TimeSpan.FromSeconds(20));
        if (joins)
        {
            Assert.Contains("'one'", refused!.Message, StringComparison.Ordinal);
            Assert.Contains("JoinTransaction", refused.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Null(refused);
        }
    }

    [Fact]
    public async Task A_transport_without_transactions_refuses_to_publish_in_one()
    {
        await using var host = await TestHost.StartAsync(static _ => { });

        var error = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), new() { Transaction = new BufferTransaction() }));

        Assert.Equal(PublishStatus.Rejected, error.Status);
        Assert.Contains("Publish after the commit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_publish_in_a_transaction_is_never_tried_again()
    {
        var tries = 0;
        _transport.OnPublish = () => ++tries > 0 ? throw new TransportException("away", TransportError.Unavailable) : default;
        await StartAsync(static (_, _) => new(Outcome.Ack));

        var error = await Assert.ThrowsAsync<PublishException>(async () => await Host.Bus.PublishAsync(new Pong(1), new() { Transaction = new BufferTransaction() }));

        Assert.Equal((1, PublishStatus.NotSent), (tries, error.Status));
        Assert.Contains("Roll back", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_transport_without_transactions_stops_the_host_with_the_consumers_name()
    {
        await using var host = TestHost.Create(m => m.AddConsumer<Ping>(
            "transacted", static (_, _, _) => new(Outcome.Ack), static o => o with { Transactional = true }));

        var error = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);

        Assert.Contains("'transacted:tests.ping'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(IsolationLevel.Serializable, true)]
    [InlineData(IsolationLevel.Chaos, false)]
    public async Task The_isolation_level_is_handed_on_or_refused(IsolationLevel isolation, bool legal)
    {
        var seen = new TaskCompletionSource<IsolationLevel>();
        _transport.OnBegin = level =>
        {
            seen.TrySetResult(level);
            return default;
        };
        var starting = StartAsync(static (_, _) => new(Outcome.Ack), o => o with { Isolation = isolation });
        if (!legal)
        {
            Assert.Contains("Chaos", (await Assert.ThrowsAsync<MessagingConfigurationException>(() => starting)).Message, StringComparison.Ordinal);
            return;
        }

        await starting;
        await Host.Bus.PublishAsync(new Ping(1));
        Assert.Equal(isolation, await seen.Task.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_handler_that_returns_after_its_message_was_handed_back_commits_nothing()
    {
        var (begun, end) = (new TaskCompletionSource(), new TaskCompletionSource());
        await StartAsync(async (_, _) =>
        {
            begun.TrySetResult();
            await end.Task;
            return Outcome.Ack;
        });
        await Host.Bus.PublishAsync(new Ping(1));
        await begun.Task.WaitAsync(Patience);

        await Host.StopAsync().WaitAsync(Patience);
        Assert.Equal(["begin", "Release"], Handling);
        end.SetResult();

        await Eventually.IsAsync(() => Handling.Length == 3);
        Assert.Equal(["begin", "Release", "rollback"], Handling);
    }

    private string[] Handling => [.. _transport.Events];

    /// <summary>All that was published and stored: what is published now comes last.</summary>
    private async Task<int[]> AnswersAsync()
    {
        await _listener!.Bus.PublishAsync(new Pong(-1));
        await Eventually.IsAsync(() => _answers.Contains(-1));
        return [.. _answers.Where(static number => number >= 0)];
    }

    private async Task StartAsync(
        Func<ConsumeContext, Ping, ValueTask<Outcome>> consume, Func<ConsumerOptions, ConsumerOptions>? configure = null)
    {
        _listener = await TestHost.StartAsync(m => m.UseInMemory(_broker).AddConsumer<Pong>(
            "answers",
            (message, _, _) =>
            {
                _answers.Enqueue(message.Number);
                return new(Outcome.Ack);
            },
            static o => o with { Concurrency = 1 }));
        _host = TestHost.Create(m => m
            .UseTransport("transactional", _ => _transport)
            .Configure(static o => o with { DrainTimeout = TimeSpan.FromMilliseconds(200) })
            .AddConsumer<Ping>(
                "transacted",
                (message, context, _) =>
                {
                    _runs.Enqueue((context.Attempt, context.Redeliveries));
                    Assert.NotNull(context.Transaction);
                    return consume(context, message);
                },
                o => (configure ?? (static same => same))(o with { Transactional = true, Retry = RetryPolicy.Immediate with { MaxAttempts = 2 } })),
            services => services.AddLogging(log => log.AddProvider(_log)));
        await _host.StartAsync();
        await _host.Status.Ready.WaitAsync(Patience);
    }
}
