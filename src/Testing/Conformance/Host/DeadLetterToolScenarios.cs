using System.Text;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What people do with dead letters: look, replay, edit, move, discard, export and import.</summary>
public abstract class DeadLetterToolScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.DropsDeadLetters)]
    public async Task Dead_letters_are_listed_in_order_page_by_page_and_stay()
    {
        var (host, queue) = await StartFailingAsync();
        await host.Bus.SendBatchAsync(queue, Enumerable.Range(0, 130).Select(static i => new Job(i, "twelve")), static job => new()
        {
            MessageId = $"{job.Number:D3}",
            Headers = new Dictionary<string, string> { ["größe"] = "💌" },
        });
        await CountAsync(host, queue, 130);

        var letters = await ListAsync(host, queue);
        var again = await ListAsync(host, queue);

        Assert.Equal(Enumerable.Range(0, 130).Select(static i => $"{i:D3}"), letters.Select(static one => one.Envelope.Id).Order());
        Assert.Equal(letters.Select(static one => (one.Position, one.Envelope.Id)), again.Select(static one => (one.Position, one.Envelope.Id)));
        Assert.All(letters, letter =>
        {
            Assert.Equal((DeadLetterReason.NonRetryable, "System.FormatException", queue, 1), (letter.Info.Reason, letter.Info.ExceptionType, letter.Info.Queue, letter.Info.Attempts));
            Assert.Contains("twelve", Encoding.UTF8.GetString(letter.Envelope.Body.Span), StringComparison.Ordinal);
            Assert.Equal("💌", letter.Envelope.Headers["größe"]);
        });
        var middle = letters[60];
        Assert.Equal(middle.Envelope.Id, (await host.DeadLetters.FindAsync(queue, middle.Position))?.Envelope.Id);
        Assert.Equal(letters[61].Envelope.Id, (await ListAsync(host, queue, null, middle.Position))[0].Envelope.Id);
        Assert.Contains(queue, host.DeadLetters.Queues);
    }

    [Scenario(Fault.DropsDeadLetters, Fault.KeepsDiscarded)]
    public async Task A_replayed_dead_letter_is_handled_with_fresh_attempts_and_says_where_it_came_from()
    {
        var (works, runs) = (false, new Happenings<(int Attempt, string Text, string? From, string Id, bool Expires)>(Time, Fixture.Patience));
        var queue = NewName();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, context, _) =>
            {
                runs.Add((context.Attempt, job.Text, context.Headers.GetValueOrDefault(DeadLetter.ReplayedFrom), context.MessageId, context.ExpiresAt is not null));
                return works ? new(Outcome.Ack) : throw new InvalidOperationException();
            },
            With(AtOnce with { MaxAttempts = 2 })));
        await host.Bus.SendAsync(queue, new Job(1, "one"), new() { MessageId = "first", TimeToLive = Fixture.Patience * 3 });
        await CountAsync(host, queue, 1);
        var letter = Assert.Single(await ListAsync(host, queue));

        works = true;
        Assert.True(await host.DeadLetters.ReplayAsync(letter));

        Assert.Equal(
            [(1, "one", null, "first", true), (2, "one", null, "first", true), (1, "one", Names.DeadLetterQueue(queue), "first", false)],
            await runs.ReachAsync(3));
        await CountAsync(host, queue, 0);
        Assert.False(await host.DeadLetters.ReplayAsync(letter));
        Assert.Null(await host.DeadLetters.FindAsync(queue, letter.Position));
        Assert.Equal(3, runs.Seen.Count);
    }

    [Scenario(Fault.DropsDeadLetters)]
    public async Task A_dead_letter_may_be_edited_and_sent_to_another_queue()
    {
        var (host, queue) = await StartFailingAsync();
        var other = NewName();
        var got = new Happenings<(int Number, string? Key)>(Time, Fixture.Patience);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(other, (job, context, _) =>
        {
            got.Add((job.Number, context.Key));
            return new(Outcome.Ack);
        }));
        await host.Bus.SendAsync(queue, new Job(1), new() { Key = "k" });
        await CountAsync(host, queue, 1);
        var letter = Assert.Single(await ListAsync(host, queue));

        await host.DeadLetters.ReplayAsync(letter with { Envelope = letter.Envelope with { Body = """{"number":7,"text":""}"""u8.ToArray() } }, new() { Queue = other });

        Assert.Equal([(7, "k")], await got.ReachAsync(1));
        await CountAsync(host, queue, 0);
    }

    [Scenario(Fault.LiesAboutResults)]
    public async Task What_cannot_be_sent_again_stays()
    {
        var (host, queue) = await StartFailingAsync();
        await host.Bus.SendAsync(queue, new Job(1));
        await CountAsync(host, queue, 1);
        var letter = Assert.Single(await ListAsync(host, queue));

        var one = await Assert.ThrowsAsync<PublishException>(async () => await host.DeadLetters.ReplayAsync(letter, new() { Queue = NewName() }));
        await Assert.ThrowsAsync<PublishException>(async () => await host.DeadLetters.ReplayAllAsync(queue, null, new() { Queue = NewName() }));

        Assert.Equal(PublishStatus.Unroutable, one.Status);
        Assert.Equal(letter.Envelope.Id, Assert.Single(await ListAsync(host, queue)).Envelope.Id);
    }

    [Scenario(Fault.DropsDeadLetters, Fault.KeepsDiscarded)]
    public async Task Those_that_a_filter_names_are_replayed_once_in_order_or_discarded_and_the_others_stay()
    {
        var (host, queue) = await StartFailingAsync();
        for (var i = 0; i < 6; i++)
        {
            await host.Bus.SendAsync(queue, new Job(i, i % 2 == 0 ? "" : "rejected"), new() { MessageId = $"{i}" });
        }

        await CountAsync(host, queue, 6);
        var failed = new DeadLetterFilter { Reason = DeadLetterReason.NonRetryable, ExceptionType = "System.FormatException", MessageType = "conformance.job" };

        // They fail again at once and come back: they are not replayed again for that.
        Assert.Equal(3, await host.DeadLetters.ReplayAllAsync(queue, failed));
        await CountAsync(host, queue, 6);
        var letters = await ListAsync(host, queue);
        Assert.Equal(["1", "3", "5", "0", "2", "4"], letters.Select(static one => one.Envelope.Id));
        Assert.All(letters.Take(3), static one => Assert.Equal(DeadLetterReason.Rejected, one.Info.Reason));
        Assert.Equal([false, false, false, true, true, true], letters.Select(static one => one.Envelope.Headers.ContainsKey(DeadLetter.ReplayedFrom)));

        Assert.Equal(1, await host.DeadLetters.DiscardAllAsync(queue, new() { MessageId = "3" }));
        Assert.Equal(3, await host.DeadLetters.DiscardAllAsync(queue, failed));
        Assert.Equal(["1", "5"], (await ListAsync(host, queue)).Select(static one => one.Envelope.Id));
        Assert.True(await host.DeadLetters.DiscardAsync((await ListAsync(host, queue))[0]));
        Assert.Equal("5", Assert.Single(await ListAsync(host, queue)).Envelope.Id);
        await CountAsync(host, queue, 1);
    }

    [Scenario(Fault.DropsDeadLetters)]
    public async Task Dead_letters_are_exported_and_imported_as_they_are()
    {
        var (host, queue) = await StartFailingAsync();
        var sent = Complete($"{queue}.x") with { Type = "conformance.job", Body = new byte[] { 0, 255 }, Headers = new Dictionary<string, string> { ["größe"] = "💌" } };
        await SendRawAsync(queue, sent);
        await CountAsync(host, queue, 1);
        await host.Bus.SendAsync(queue, new Job(2, "zwölf\n"), new() { MessageId = "2" });
        await CountAsync(host, queue, 2);
        using var file = new MemoryStream();

        Assert.Equal(2, await host.DeadLetters.ExportAsync(queue, file));
        var before = await ListAsync(host, queue);
        Assert.Equal(2, await host.DeadLetters.DiscardAllAsync(queue));
        file.Position = 0;
        Assert.Equal(2, await host.DeadLetters.ImportAsync(queue, file));

        Assert.Equal(2, Encoding.UTF8.GetString(file.ToArray()).Count(static c => c == '\n'));
        await CountAsync(host, queue, 2);
        var after = await ListAsync(host, queue);
        Assert.Equal(before.Select(static one => one.Info with { At = default }), after.Select(static one => one.Info with { At = default }));
        EnvelopeAssert.Same(before[0].Envelope, after[0].Envelope);
        EnvelopeAssert.Same(before[1].Envelope, after[1].Envelope);
        EnvelopeAssert.Same(sent, after[0].Envelope);
    }

    [Scenario(Fault.DropsDeadLetters)]
    public async Task A_missing_queue_is_an_error_and_an_empty_one_is_not()
    {
        var (host, queue) = await StartFailingAsync();
        Assert.Equal(0, await host.DeadLetters.CountAsync(queue));
        Assert.Empty(await ListAsync(host, queue));
        Assert.Null(await host.DeadLetters.FindAsync(queue, "7"));
        Assert.Equal(0, await host.DeadLetters.ReplayAllAsync(queue));

        foreach (var action in (Func<Task>[])[
            async () => await host.DeadLetters.CountAsync(NewName()),
            async () => await ListAsync(host, NewName()),
            async () => await host.DeadLetters.FindAsync(NewName(), "1"),
            async () => await host.DeadLetters.DiscardAsync(new(NewName(), "1", Message()))])
        {
            Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(action)).Reason);
        }

        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await host.DeadLetters.CountAsync("q'; drop table x;--"));
        // That the fixture's faults are seen at all:
        await host.Bus.SendAsync(queue, new Job(1));
        await CountAsync(host, queue, 1);
    }

    /// <summary>A host whose consumer fails for good, or rejects what says so.</summary>
    private async Task<(ScenarioHost Host, string Queue)> StartFailingAsync()
    {
        var queue = NewName();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            static (job, _, _) => job.Text == "rejected" ? new(Outcome.DeadLetter("no")) : throw new FormatException("bad"),
            options => options with { Concurrency = 1, Retry = RetryPolicy.None.Never<FormatException>(), Lease = LongLease }));
        return (host, queue);
    }

    private static async Task<List<DeadLetter>> ListAsync(ScenarioHost host, string queue, DeadLetterFilter? filter = null, string? after = null)
    {
        var letters = new List<DeadLetter>();
        await foreach (var letter in host.DeadLetters.ListAsync(queue, filter, after))
        {
            letters.Add(letter);
        }

        return letters;
    }

    /// <summary>Waits until there are so many: a broker may be behind.</summary>
    private async Task CountAsync(ScenarioHost host, string queue, long count)
    {
        using var patience = After(Fixture.Patience);
        while (await host.DeadLetters.CountAsync(queue) is var now && now != count)
        {
            Assert.False(patience.IsCancellationRequested, $"Within {Fixture.Patience} there were {now} dead letters, not {count}.");
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(20), Time, patience.Token));
        }
    }
}
