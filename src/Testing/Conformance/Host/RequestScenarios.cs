using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Requests and their answers: an answer, a fault or the end of the time, on every broker alike.</summary>
public abstract class RequestScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.LosesReplies)]
    public async Task Each_host_gets_the_answers_to_its_own_requests()
    {
        var queue = NewName();
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, AnswerAsync));
        ScenarioHost[] hosts = [await StartHostAsync(static _ => { }), await StartHostAsync(static _ => { })];

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => hosts[n % 2].Bus.RequestAsync<Job, Job>(queue, new(n), InTime).AsTask()));

        Assert.Equal(Enumerable.Range(0, 40), answers.Select(static one => one.Number));
        Assert.All(answers, static one => Assert.Equal("answer", one.Text));
    }

    [Scenario(Fault.DropsDeadLetters, Fault.LosesReplies)]
    public async Task A_request_that_fails_for_good_is_told_so_when_its_dead_letter_is_there()
    {
        var (queue, runs) = (NewName(), new Happenings<int>(Time, Fixture.Patience));
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add(context.Attempt);
                throw new InvalidOperationException("no apples");
            },
            With(AtOnce)));

        var fault = await Assert.ThrowsAsync<RequestFaultedException>(async () => await host.Bus.RequestAsync<Job, Job>(queue, new(1), InTime));

        Assert.Equal((DeadLetterReason.Exhausted, "no apples"), (fault.Reason, fault.ExceptionMessage));
        Assert.Equal([1, 2, 3], runs.Seen);
        Assert.Equal(fault.MessageId, (await DeadLetterAsync(await ConnectAsync(), queue)).Id);
    }

    [Scenario(Fault.LosesReplies)]
    public async Task A_request_that_cannot_be_decoded_is_told_so()
    {
        var queue = NewName();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, AnswerAsync));

        var fault = await Assert.ThrowsAsync<RequestFaultedException>(async () => await host.Bus.RequestAsync<string, Job>(
            queue, "{", InTime with { MessageType = "conformance.job", ContentType = "application/json" }));

        Assert.Equal(DeadLetterReason.Malformed, fault.Reason);
    }

    [Scenario(Fault.ForgetsExpiry)]
    public async Task No_handler_runs_when_the_requester_has_given_up()
    {
        var (queue, handled) = (NewName(), new Happenings<int>(Time, Fixture.Patience));
        var asking = await StartHostAsync(static _ => { });
        await DeclareAsync(await ConnectAsync(), queue);

        await Assert.ThrowsAsync<RequestTimeoutException>(async () => await asking.Bus.RequestAsync<Job, Job>(queue, new(1), new() { TimeToLive = Fixture.Quiet * 2 }));
        await asking.Bus.SendAsync(queue, new Job(2));
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                handled.Add(job.Number);
                return new(Outcome.Ack);
            },
            static options => options with { Concurrency = 1 }));

        Assert.Equal([2], await handled.ReachAsync(1));
        Assert.Equal(DeadLetterReason.Expired, (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!.Reason);
        Assert.Single(handled.Seen);
    }

    [Scenario(Fault.LiesAboutResults)]
    public async Task That_nobody_can_answer_is_told_at_once()
    {
        var host = await StartHostAsync(static _ => { });

        var topic = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Job, Job>(new(1), InTime with { Topic = NewName() }));
        var queue = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.RequestAsync<Job, Job>(NewName(), new(1), InTime));

        Assert.Equal((PublishStatus.Unroutable, PublishStatus.Unroutable), (topic.Status, queue.Status));
    }

    [Scenario(Fault.LosesReplies)]
    public async Task A_handler_gets_its_answer_while_its_host_stops()
    {
        var (service, queue) = (NewName(), NewName());
        var (began, answered) = (new Happenings<int>(Time, Fixture.Patience), new Happenings<int>(Time, Fixture.Patience));
        var mayAsk = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(service, AnswerAsync));
        ScenarioHost? host = null;
        host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, async (job, _, cancellationToken) =>
        {
            began.Add(job.Number);
            await mayAsk.Task.WaitAsync(Fixture.Patience, Time, cancellationToken);
            answered.Add((await host!.Bus.RequestAsync<Job, Job>(service, job, InTime, cancellationToken)).Number);
            return Outcome.Ack;
        }));
        await host.Bus.SendAsync(queue, new Job(3));
        await began.ReachAsync(1);

        var stopping = host.StopAsync();
        await UntilAsync(() => host.Status.Queues[queue] == QueueState.Draining);
        mayAsk.SetResult();

        Assert.Equal([3], await answered.ReachAsync(1));
        await stopping.WaitAsync(Fixture.Patience, Time);
    }

    private PublishOptions InTime => new() { TimeToLive = Fixture.Patience };

    private static async ValueTask<Outcome> AnswerAsync(Job job, ConsumeContext context, CancellationToken cancellationToken)
    {
        await context.RespondAsync(job with { Text = "answer" }, null, cancellationToken);
        return Outcome.Ack;
    }
}
