using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Messages that end the process which handles them: only they end up as dead letters, their neighbours are handled.</summary>
public abstract class SuspectScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private const int MaxRedeliveries = 3;

    [Scenario(Fault.ForgetsRedeliveries)]
    public async Task A_message_that_was_handed_out_too_often_is_not_run_again()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Message() with { Type = "conformance.job" });
        await CrashAsync(transport, queue, MaxRedeliveries);
        var runs = new Happenings<int>(Time, Fixture.Patience);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                runs.Add(job.Number);
                return new(Outcome.Ack);
            },
            options => options with { MaxRedeliveries = MaxRedeliveries }));

        var dead = await DeadLetterAsync(transport, queue);

        Assert.Equal((DeadLetterReason.RedeliveredTooOften, MaxRedeliveries, 0),
            (dead.DeadLetter!.Reason, dead.DeadLetter.Redeliveries, dead.DeadLetter.Attempts));
        Assert.Empty(runs.Seen);
    }

    [Scenario(Fault.ForgetsRedeliveries)]
    public async Task A_suspect_runs_alone()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var suspect = Message() with { Type = "conformance.job", ContentType = "application/json", Body = "{\"number\":0}"u8.ToArray() };
        await SendAsync(transport, queue, suspect);
        await CrashAsync(transport, queue, 2);
        // Its last lease is over before the others come, so that they are all there together.
        await using (var receiver = await OpenAsync(transport, queue))
        {
            await SettledAsync(receiver, Settlement.Release(await TakeOneAsync(receiver)));
        }

        var (running, most) = (0, 0);
        var (besides, others) = (new Happenings<int>(Time, Fixture.Patience), new Happenings<int>(Time, Fixture.Patience));
        var gate = new TaskCompletionSource();
        await SendAsync(transport, queue, [.. Enumerable.Range(1, 30).Select(static number => Message() with
        {
            Type = "conformance.job",
            ContentType = "application/json",
            Body = System.Text.Encoding.UTF8.GetBytes($"{{\"number\":{number}}}"),
        })]);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (job, _, _) =>
            {
                most = Math.Max(most, Interlocked.Increment(ref running));
                if (job.Number == 0)
                {
                    // Whoever could run beside it gets the time to begin.
                    most = Volatile.Read(ref running);
                    await Assert.ThrowsAsync<TimeoutException>(() => gate.Task.WaitAsync(Fixture.Quiet, Time));
                    besides.Add(most);
                }
                else
                {
                    others.Add(job.Number);
                    await Task.Delay(Fixture.Quiet / 4, Time, CancellationToken.None);
                }

                Interlocked.Decrement(ref running);
                return Outcome.Ack;
            },
            options => options with { Concurrency = 8, Lease = LongLease }));

        Assert.Equal([1], await besides.ReachAsync(1));
        await others.ReachAsync(30);
    }

    [Scenario(Fault.ForgetsRedeliveries, Fault.AcksEarly)]
    public async Task A_poison_that_ends_connections_is_parked_and_its_100_neighbours_are_handled()
    {
        var keeper = await ConnectAsync();
        var queue = await QueueAsync(keeper);
        // What came twice because its ack died with the connection counts once.
        var (handled, once) = (new Happenings<int>(Time, Fixture.Patience), new System.Collections.Concurrent.ConcurrentDictionary<int, bool>());
        var publisher = await StartHostAsync(static _ => { });
        await Task.WhenAll(Enumerable.Range(0, 101).Select(number => publisher.Bus.SendAsync(queue, new Job(number)).AsTask()));
        var deadLetters = await OpenAsync(keeper, Names.DeadLetterQueue(queue));
        var parked = TakeOneAfterAsync(deadLetters);
        for (var crashes = 0; !parked.IsCompleted; crashes++)
        {
            Assert.InRange(crashes, 0, MaxRedeliveries + 1);
            var crash = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var transport = await ConnectAsync();
            await BeginHostAsync(transport, messaging => messaging
                .Configure(options => options with { DrainTimeout = TimeSpan.Zero })
                .AddConsumer<Job>(
                    queue,
                    async (job, _, cancellationToken) =>
                    {
                        if (job.Number == 50)
                        {
                            crash.TrySetResult();
                            await Task.Delay(Timeout.InfiniteTimeSpan, Time, cancellationToken);
                        }

                        if (once.TryAdd(job.Number, true))
                        {
                            handled.Add(job.Number);
                        }

                        await Task.Delay(TimeSpan.FromMilliseconds(1), Time, CancellationToken.None);
                        return Outcome.Ack;
                    },
                    options => options with { Concurrency = 8, Lease = Fixture.Lease, MaxRedeliveries = MaxRedeliveries }));
            await Task.WhenAny(crash.Task, parked).WaitAsync(Fixture.Patience, Time);
            if (!parked.IsCompleted)
            {
                // The process dies: its connection ends in the middle of everything.
                await transport.DisposeAsync();
            }
        }

        var dead = await parked;
        Assert.Equal(DeadLetterReason.RedeliveredTooOften, dead.Envelope.DeadLetter?.Reason);
        await AckAsync(deadLetters, dead);
        await NothingComesAsync(deadLetters);
        await handled.ReachAsync(100);
        Assert.Equal(Enumerable.Range(0, 101).Where(static number => number != 50), handled.Seen.Distinct().Order());
    }

    private async Task<Delivery> TakeOneAfterAsync(IReceiver receiver) => Assert.Single(await receiver.ReceiveAsync(1, Deadline));

    /// <summary>Takes the only message and ends without settling, so many times.</summary>
    private async Task CrashAsync(ITransport transport, string queue, int times)
    {
        for (var i = 0; i < times; i++)
        {
            await using var receiver = await OpenAsync(transport, queue, Fixture.Lease);
            await TakeOneAsync(receiver);
        }
    }
}
