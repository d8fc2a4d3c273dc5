using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Several messages in one run of a handler.</summary>
public abstract class BatchScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private const int Each = 20;

    [Scenario(Fault.DropsMessages, Fault.DropsRetries)]
    public async Task A_batch_has_an_outcome_for_each_of_its_messages()
    {
        var queue = NewName();
        var batches = new Happenings<(int Number, int Attempt)[]>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging.AddBatchConsumer<Job>(
            queue,
            (batch, _) =>
            {
                batches.Add([.. batch.Select(static item => (item.Message.Number, item.Context.Attempt))]);
                foreach (var item in batch)
                {
                    item.Outcome = item.Message.Number == 3 && item.Context.Attempt == 1 ? Outcome.Retry(TimeSpan.Zero)
                        : item.Message.Number == 4 ? Outcome.DeadLetter("not this one")
                        : null;
                }

                return new(Outcome.Ack);
            },
            options => options with { Lease = LongLease, Batch = new() { MaxSize = Each / 2, MaxWait = Fixture.Quiet / 3 } }));

        await Task.WhenAll(Enumerable.Range(1, Each).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));

        await UntilAsync(() => batches.Seen.Sum(static batch => batch.Length) == Each + 1);
        Assert.All(batches.Seen, batch => Assert.InRange(batch.Length, 1, Each / 2));
        Assert.Contains(batches.Seen, static batch => batch.Length > 1);
        var seen = batches.Seen.SelectMany(static batch => batch).ToList();
        Assert.Equal(Enumerable.Range(1, Each), seen.Where(static one => one.Attempt == 1).Select(static one => one.Number).Order());
        Assert.Equal([(3, 2)], seen.Where(static one => one.Attempt > 1));
        await host.StopAsync();
        Assert.Equal("not this one", (await DeadLetterAsync(await ConnectAsync(), queue)).DeadLetter!.Description);
        await using var receiver = await OpenAsync(await ConnectAsync(), queue);
        await NothingComesAsync(receiver);
    }
}
