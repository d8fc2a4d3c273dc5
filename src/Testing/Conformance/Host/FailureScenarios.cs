using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What follows when handling fails: retries by the policy, then the dead-letter queue, with everything that helps.</summary>
public abstract class FailureScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.IgnoresDelay, Fault.LosesAttempt, Fault.DropsRetries)]
    public async Task A_failing_handler_runs_as_often_and_as_spaced_as_the_policy_says()
    {
        var queue = NewName();
        var runs = new Happenings<(int Attempt, long At)>(Time, Fixture.Patience);
        TimeSpan[] delays = [Fixture.Delay / 2, Fixture.Delay];
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add((context.Attempt, Time.GetTimestamp()));
                throw new InvalidOperationException("out of stock 鍵");
            },
            With(RetryPolicy.List(delays) with { MaxAttempts = 3 })));

        await host.Bus.SendAsync(queue, new Job(7), new() { MessageId = "id", Headers = new Dictionary<string, string> { ["a"] = "ä" } });

        var seen = await runs.ReachAsync(3);
        var dead = await DeadLetterAsync(await ConnectAsync(), queue);
        Assert.Equal([1, 2, 3], runs.Seen.Select(static run => run.Attempt));
        for (var i = 0; i < delays.Length; i++)
        {
            var between = Time.GetElapsedTime(seen[i].At, seen[i + 1].At);
            Assert.True(between >= delays[i], $"Attempt {i + 2} came {between} after the one before; the policy says {delays[i]}.");
        }

        var info = Assert.IsType<DeadLetterInfo>(dead.DeadLetter);
        Assert.Equal((DeadLetterReason.Exhausted, 3, queue), (info.Reason, info.Attempts, info.Queue));
        Assert.Equal((typeof(InvalidOperationException).FullName, "out of stock 鍵"), (info.ExceptionType, info.ExceptionMessage));
        Assert.Contains(nameof(FailureScenarios), info.StackTrace, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(info.StackTrace!), 1, 4096);
        Assert.Equal(("id", "ä"), (dead.Id, dead.Headers["a"]));
    }

    [Scenario(Fault.LosesAttempt, Fault.DropsRetries)]
    public async Task A_handler_that_succeeds_at_the_second_attempt_ends_the_retries()
    {
        var queue = NewName();
        var attempts = new Happenings<int>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                attempts.Add(context.Attempt);
                return context.Attempt == 2 ? new(Outcome.Ack) : throw new TimeoutException();
            },
            With(AtOnce)));

        await host.Bus.SendAsync(queue, new Job(1));

        await attempts.ReachAsync(2);
        await host.StopAsync();
        Assert.Equal([1, 2], attempts.Seen);
        var transport = await ConnectAsync();
        await NothingComesAsync(await OpenAsync(transport, queue));
        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));
    }

    [Scenario(Fault.DropsDeadLetterReason, Fault.DropsDeadLetters)]
    public async Task An_exception_that_is_not_retried_is_a_dead_letter_at_once()
    {
        var queue = NewName();
        var runs = new Happenings<int>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add(context.Attempt);
                throw new ArgumentNullException("name");
            },
            With(AtOnce.Never<ArgumentException>())));

        await host.Bus.SendAsync(queue, new Job(1));

        var info = (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!;
        Assert.Equal((DeadLetterReason.NonRetryable, 1), (info.Reason, info.Attempts));
        Assert.Equal([1], runs.Seen);
    }

    [Scenario(Fault.DropsDeadLetterReason, Fault.CorruptsBodies)]
    public async Task A_body_that_cannot_be_read_is_a_dead_letter_at_once_with_its_bytes()
    {
        var queue = NewName();
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, static (_, _, _) => throw new InvalidOperationException(), With(AtOnce)));
        byte[] body = [(byte)'{', 0xFF, 0xFE, 0, (byte)'"'];

        await SendRawAsync(queue, new() { Id = "bad", Type = "conformance.job", ContentType = "application/json", Body = body });

        var dead = await DeadLetterAsync(await ConnectAsync(), queue);
        Assert.Equal((DeadLetterReason.Malformed, "bad"), (dead.DeadLetter!.Reason, dead.Id));
        Assert.Equal(body, dead.Body.ToArray());
    }

    [Scenario(Fault.DropsDeadLetterReason, Fault.TrimsUnicode)]
    public async Task A_message_of_an_unknown_type_or_content_type_is_a_dead_letter_at_once()
    {
        var queue = NewName();
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, static (_, _, _) => throw new InvalidOperationException(), With(AtOnce)));

        await SendRawAsync(queue, new() { Id = "ä", Type = "somebody.elses", ContentType = "application/json", Body = "{}"u8.ToArray() });
        var unknownType = await DeadLetterAsync(await ConnectAsync(), queue);
        await SendRawAsync(queue, new() { Id = "ö", Type = "conformance.job", ContentType = "image/png", Body = "{}"u8.ToArray() });
        var unknownContent = await DeadLetterAsync(await ConnectAsync(), queue);

        Assert.Equal(("ä", DeadLetterReason.UnknownType), (unknownType.Id, unknownType.DeadLetter!.Reason));
        Assert.Equal(("ö", DeadLetterReason.Malformed), (unknownContent.Id, unknownContent.DeadLetter!.Reason));
    }

    [Scenario(Fault.InventsMetadata)]
    public async Task A_foreign_message_without_our_metadata_is_handled_as_the_queues_only_type()
    {
        var queue = NewName();
        var jobs = new Happenings<Job>(Time, Fixture.Patience);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                jobs.Add(job);
                return new(Outcome.Ack);
            },
            With(AtOnce)));

        await SendRawAsync(queue, new() { Id = "foreign", Body = "{\"number\":7,\"text\":\"x\"}"u8.ToArray() });

        Assert.Equal([new Job(7, "x")], await jobs.ReachAsync(1));
    }

    [Scenario(Fault.DropsDeadLetterReason, Fault.DeadLetterKeepsOriginal)]
    public async Task A_consumer_may_choose_the_dead_letter_queue()
    {
        var queue = NewName();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue, static (_, _, _) => new(Outcome.DeadLetter("no such customer")), With(AtOnce)));

        await host.Bus.SendAsync(queue, new Job(1));

        var info = (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!;
        Assert.Equal((DeadLetterReason.Rejected, "no such customer", 1), (info.Reason, info.Description, info.Attempts));
        Assert.Null(info.ExceptionType);
    }

    [Scenario(Fault.IgnoresDelay, Fault.LosesAttempt)]
    public async Task A_consumer_may_ask_for_another_attempt_until_they_are_used_up()
    {
        var queue = NewName();
        var runs = new Happenings<(int Attempt, long At)>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add((context.Attempt, Time.GetTimestamp()));
                return new(Outcome.Retry(Fixture.Delay / 2));
            },
            With(AtOnce with { MaxAttempts = 2 })));

        await host.Bus.SendAsync(queue, new Job(1));

        Assert.Equal(DeadLetterReason.Exhausted, (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!.Reason);
        Assert.Equal([1, 2], runs.Seen.Select(static run => run.Attempt));
        Assert.True(Time.GetElapsedTime(runs.Seen[0].At, runs.Seen[1].At) >= Fixture.Delay / 2);
    }

    [Scenario(Fault.DropsDeadLetters)]
    public async Task Whoever_asked_is_told_once_of_a_dead_letter_when_it_is_durable()
    {
        var queue = NewName();
        var told = new Happenings<(string Id, Job? Job, Type? Exception, DeadLetterReason Reason, int Attempts, bool IsThere)>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            static (job, _, _) => job.Number == 1 ? throw new InvalidOperationException("bad") : new(Outcome.Ack),
            options => With(AtOnce with { MaxAttempts = 2 })(options) with
            {
                OnFailed = async (message, cancellationToken) =>
                {
                    var isThere = false;
                    await foreach (var letter in message.Services.GetRequiredService<IDeadLetters>().ListAsync(queue, cancellationToken: cancellationToken))
                    {
                        isThere |= letter.Envelope.Id == message.Envelope.Id;
                    }

                    told.Add((
                        message.Envelope.Id, JsonSerializer.Deserialize(message.Envelope.Body.Span, ScenarioJson.Default.Job), message.Exception?.GetType(), message.Info.Reason,
                        message.Info.Attempts, isThere));
                    throw new InvalidOperationException("This changes nothing.");
                },
            }));

        await host.Bus.SendAsync(queue, new Job(2));
        await host.Bus.SendAsync(queue, new Job(1), new() { MessageId = "first" });

        Assert.Equal(
            [("first", new Job(1), typeof(InvalidOperationException), DeadLetterReason.Exhausted, 2, true)], await told.ReachAsync(1));
        await host.StopAsync();
        Assert.Single(told.Seen);
        Assert.Equal("first", (await DeadLetterAsync(await ConnectAsync(), queue)).Id);
    }

    [Scenario(Fault.AcksEarly, Fault.LosesAttempt)]
    public async Task A_message_whose_attempts_are_used_up_is_discarded_where_the_policy_says_so()
    {
        var queue = NewName();
        var runs = new Happenings<int>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add(context.Attempt);
                throw new InvalidOperationException();
            },
            With(AtOnce with { MaxAttempts = 2, OnExhausted = ExhaustedMessage.Discard })));

        await host.Bus.SendAsync(queue, new Job(1));

        await runs.ReachAsync(2);
        await host.StopAsync();
        var transport = await ConnectAsync();
        await NothingComesAsync(await OpenAsync(transport, queue));
        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));
        Assert.Equal([1, 2], runs.Seen);
    }

    [Scenario(Fault.DropsDeadLetters, Fault.DropsMessages)]
    public async Task Poison_messages_do_not_stop_the_queue()
    {
        var queue = NewName();
        var good = new Happenings<int>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                if (job.Number % 20 == 0)
                {
                    throw new InvalidOperationException("poison");
                }

                good.Add(job.Number);
                return new(Outcome.Ack);
            },
            With(AtOnce)));

        await Task.WhenAll(Enumerable.Range(0, 100).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));

        await good.ReachAsync(95);
        await DrainAsync(await OpenAsync(await ConnectAsync(), Names.DeadLetterQueue(queue)), 5);
        await host.StopAsync();
        Assert.Equal(Enumerable.Range(0, 100).Where(static number => number % 20 != 0), good.Seen.Order());
    }

    [Scenario(Fault.DropsDeadLettersWhenUnavailable)]
    public async Task While_the_dead_letter_queue_is_away_the_message_waits_and_the_others_go_on()
    {
        Assert.SkipUnless(Fixture.CanBreakDeadLetterQueue, "The fixture cannot take a dead-letter queue away.");
        var queue = NewName();
        var good = new Happenings<int>(Time, Fixture.Patience);
        var bad = new Happenings<int>(Time, Fixture.Patience);
        var ledger = new Ledger(Time);
        var host = await BeginHostAsync(new LedgerTransport(await ConnectAsync(), ledger), messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                (job.Number == 0 ? bad : good).Add(job.Number);
                return new(job.Number == 0 ? Outcome.DeadLetter("bad") : Outcome.Ack);
            },
            With(AtOnce)));
        await host.Status.Ready.WaitAsync(Fixture.Patience, Time);
        await Fixture.BreakDeadLetterQueueAsync(queue, Deadline);

        await host.Bus.SendAsync(queue, new Job(0));
        await bad.ReachAsync(1);
        for (var number = 1; number <= 20; number++)
        {
            await host.Bus.SendAsync(queue, new Job(number));
        }

        await good.ReachAsync(20);
        using var patience = After(Fixture.Patience);
        while (ledger.Events().All(static one => one.Kind != LedgerEventKind.SettlementFailed))
        {
            await Task.Delay(Fixture.Quiet / 10, Time, patience.Token);
        }

        await Fixture.RestoreDeadLetterQueueAsync(queue, Deadline);

        Assert.Equal(DeadLetterReason.Rejected, (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!.Reason);
        Assert.Equal((1, 20), (bad.Seen.Count, good.Seen.Count));
    }
}
