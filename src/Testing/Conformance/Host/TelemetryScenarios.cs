using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What traces tell of a message, whatever happens to it.</summary>
public abstract class TelemetryScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.LosesTrace)]
    public async Task Every_attempt_is_in_the_trace_of_the_publish_through_retries_dead_letter_and_replay()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is TelemetryOptions.SourceName or nameof(TelemetryScenarios),
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource(nameof(TelemetryScenarios));
        var (queue, works) = (NewName(), false);
        var runs = new Happenings<(ActivityTraceId? Trace, ActivitySpanId? Parent, ActivitySpanId? Link)>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, _, _) =>
            {
                var current = Activity.Current;
                runs.Add((current?.TraceId, current?.ParentSpanId, current?.Links.Select(static link => (ActivitySpanId?)link.Context.SpanId).SingleOrDefault()));
                return works ? new(Outcome.Ack) : throw new InvalidOperationException();
            },
            On(queue, With(RetryPolicy.Fixed(TimeSpan.FromMilliseconds(100)) with { MaxAttempts = 2 }))));

        using var caller = source.StartActivity("caller")!;
        caller.TraceStateString = "vendor=1";
        await host.Bus.PublishAsync(new Job(1), new() { Topic = queue });
        await runs.ReachAsync(2);
        await DeadAsync(host, queue);
        works = true;
        Assert.Equal(1, await host.DeadLetters.ReplayAllAsync(queue));
        await runs.ReachAsync(3);
        await host.StopAsync();

        var mine = spans.Where(span => span.TraceId == caller.TraceId && span.Source.Name == TelemetryOptions.SourceName).ToList();
        var publish = Assert.Single(mine, static span => span.Kind == ActivityKind.Producer);
        Assert.Equal(caller.SpanId, publish.ParentSpanId);
        Assert.All(runs.Seen, run => Assert.Equal((caller.TraceId, publish.SpanId, publish.SpanId), run));
        var attempts = mine.Where(static span => span.Kind == ActivityKind.Consumer).ToList();
        Assert.Equal(3, attempts.Count);
        Assert.All(attempts, static span => Assert.Equal("vendor=1", span.TraceStateString));
        Assert.Equal(["System.InvalidOperationException", "System.InvalidOperationException", null], attempts.Select(static span => span.GetTagItem("error.type")));
    }

    private async Task DeadAsync(ScenarioHost host, string queue)
    {
        using var patience = After(Fixture.Patience);
        while (await host.DeadLetters.CountAsync(queue) == 0)
        {
            Assert.False(patience.IsCancellationRequested, $"Within {Fixture.Patience} there was no dead letter.");
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(20), Time, patience.Token));
        }
    }
}
