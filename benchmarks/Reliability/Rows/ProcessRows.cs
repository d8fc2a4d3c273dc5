using Postrider.Reliability.Rig;

namespace Postrider.Reliability.Rows;

/// <summary>What happens to the processes that consume, and in them.</summary>
internal static class ProcessRows
{
    private const int Window = 512;

    public static async Task<RowResult> KilledAsync(Stage stage)
    {
        await stage.PublisherAsync();
        var (kills, takeovers) = (stage.Sizes.Kills, new List<double>());
        var workers = new List<WorkerProcess> { await stage.ReadyWorkerAsync(Slow), await stage.ReadyWorkerAsync(Slow) };
        var publishing = stage.PublishAsync(0, stage.Sizes.Messages);
        for (var i = 0; i < kills; i++)
        {
            await Task.Delay(TimeSpan.FromSeconds(stage.Sizes.IsFull ? 3 : 1), TimeProvider.System);
            var victim = workers[i % 2];
            var dead = Stage.Now();
            await victim.KillAsync();
            var held = Begun(stage, victim.Id);
            workers[i % 2] = await stage.ReadyWorkerAsync(Slow);
            if (held.Count > 0)
            {
                await stage.UntilAsync(lines => lines.Exists(ComesAgain), "what it held comes again");
                takeovers.Add((stage.Lines().Where(ComesAgain).Min(static line => line.At) - dead) / 1000.0);
            }

            bool ComesAgain(Line line) => line.What == 'B' && line.At >= dead && line.Process != victim.Id && held.Contains(line.Number);
        }

        await publishing;
        var account = await stage.AccountAsync();
        var worst = takeovers.DefaultIfEmpty(0).Max();
        return new(
            account, $"{kills} kills in {stage.Sizes.Messages} messages; takeover {takeovers.DefaultIfEmpty(0).Min():0.0} to {worst:0.0} s (lease 5 s)",
            worst > (stage.Kind.HasLeases ? 10 : 5) ? "the takeover took too long" : account.Doubled > kills * Window ? "more were doubled than were under way" : null);

        static Job Slow(Job job) => job with { Handling = TimeSpan.FromMilliseconds(10) };
    }

    public static async Task<RowResult> DeadlyAsync(Stage stage)
    {
        const int deadly = 100, count = 300, most = 4;
        await stage.PublisherAsync();
        var crashes = 0;
        var worker = await stage.ReadyWorkerAsync(Poisoned);
        await stage.PublishAsync(0, count);
        using var limit = new CancellationTokenSource(stage.Sizes.Patience);
        while (await stage.DeadLetters.CountAsync(stage.Queue, limit.Token) == 0)
        {
            if (worker.HasExited)
            {
                crashes++;
                worker = stage.Worker(Poisoned);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, limit.Token);
        }

        var account = await stage.AccountAsync(static number => number == deadly);
        var parked = await stage.DeadLetters.CountAsync(stage.Queue, limit.Token);
        return new(
            account, $"{crashes} crashes until it was parked (MaxRedeliveries {most}); {parked} dead letter",
            parked != 1 ? "others were parked too" : crashes > most + 1 ? "it crashed more often than allowed" : null);

        static Job Poisoned(Job job) => job with { Deadly = deadly, MaxRedeliveries = most, Lease = TimeSpan.FromSeconds(2) };
    }

    public static async Task<RowResult> ThrowingAsync(Stage stage)
    {
        const int count = 1000, every = 100, attempts = 4;
        var delay = TimeSpan.FromMilliseconds(500);
        await stage.PublisherAsync();
        await stage.ReadyWorkerAsync(job => job with { ThrowsEvery = every, MaxAttempts = attempts, RetryDelay = delay });
        await stage.PublishAsync(1, count);
        var account = await stage.AccountAsync(static number => number % every == 0);
        await stage.UntilAsync(lines => lines.Count(static line => line.What == 'B' && line.Number > 0 && line.Number % every == 0) >= count / every * attempts, "all attempts are used up");
        using var limit = new CancellationTokenSource(stage.Sizes.Patience);
        while (await stage.DeadLetters.CountAsync(stage.Queue, limit.Token) < count / every)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, limit.Token);
        }

        var runs = stage.Lines().Where(static line => line.What == 'B' && line.Number > 0 && line.Number % every == 0).GroupBy(static line => line.Number).ToList();
        var gaps = runs.SelectMany(static run => run.OrderBy(static line => line.At).Zip(run.OrderBy(static line => line.At).Skip(1), static (a, b) => b.At - a.At)).ToList();
        var parked = await stage.DeadLetters.CountAsync(stage.Queue, limit.Token);
        return new(
            account, $"{parked} dead letters, {runs.Min(static run => run.Count())} to {runs.Max(static run => run.Count())} runs each (MaxAttempts {attempts}); {gaps.Min()} to {gaps.Max()} ms between them (delay {delay.TotalMilliseconds:0})",
            parked != count / every ? "the dead letters are not the ten"
                : runs.Exists(static run => run.Count() != attempts) ? "a message ran more or less often"
                : gaps.Min() < delay.TotalMilliseconds - 5 ? "a retry came early" : gaps.Max() > delay.TotalMilliseconds + 1000 ? "a retry came more than a second late" : null);
    }

    public static async Task<RowResult> HangingAsync(Stage stage)
    {
        const int hanging = 5, concurrency = 32;
        var handling = TimeSpan.FromMilliseconds(20);
        await stage.PublisherAsync();
        await stage.ReadyWorkerAsync(job => job with { Hanging = hanging, Concurrency = concurrency, Handling = handling });
        await stage.PublishAsync(0, 10);
        await stage.UntilAsync(static lines => lines.Exists(static line => line.What == 'B' && line.Number == hanging), "one hangs");
        await stage.PublishAsync(10, stage.Sizes.Messages);
        var account = await stage.AccountAsync(static number => number == hanging);
        var ends = stage.Lines().Where(static line => line.What == 'E').Select(static line => line.At).Order().ToList();
        return new(account, $"{ends.Count} others handled beside it, {ends.Count * 1000.0 / (ends[^1] - ends[0]):0} a second with {concurrency} handlers of {handling.TotalMilliseconds:0} ms");
    }

    public static async Task<RowResult> SlowAsync(Stage stage)
    {
        const int count = 48;
        var lease = TimeSpan.FromSeconds(2);
        await stage.PublisherAsync();
        for (var i = 0; i < 2; i++)
        {
            await stage.ReadyWorkerAsync(job => job with { Lease = lease, Handling = lease * 3, Concurrency = 12 });
        }

        await stage.PublishAsync(0, count);
        var account = await stage.AccountAsync();
        var begun = stage.Lines().Where(static line => line.What == 'B').GroupBy(static line => line.Number).Count(static one => one.Count() > 1);
        return new(
            account, stage.Kind.HasLeases ? $"lease 2 s, handlers of 6 s, two processes; {begun} begun twice" : $"no leases there: handlers of 6 s, two processes; {begun} begun twice",
            account.Doubled > 0 || begun > 0 ? "a message ran twice" : null);
    }

    public static Task<RowResult> TerminatedAsync(Stage stage) => TerminatedAsync(stage, TimeSpan.FromSeconds(2), -1, TimeSpan.FromSeconds(1));

    public static Task<RowResult> TerminatedHangingAsync(Stage stage) => TerminatedAsync(stage, TimeSpan.FromSeconds(1), 3, TimeSpan.FromSeconds(2));

    public static async Task<RowResult> BacklogAsync(Stage stage)
    {
        var size = 1100;
        await stage.PublisherAsync();
        var worker = await stage.ReadyWorkerAsync(static job => job with { Handling = TimeSpan.FromSeconds(1) });
        await stage.PublishAsync(0, 100);
        await stage.UntilAsync(static lines => lines.Exists(static line => line.What == 'E'), "it works");
        var before = await worker.MostMemoryAsync();
        await stage.PublishAsync(100, stage.Sizes.Backlog);
        await Task.Delay(TimeSpan.FromSeconds(stage.Sizes.IsFull ? 30 : 3), TimeProvider.System);
        var grown = (await worker.MostMemoryAsync() - before) / 1_000_000;
        var allowed = 50 + (Window * size * 3 / 1_000_000);
        var handled = stage.Lines().Count(static line => line.What == 'E');
        return new(default, $"{stage.Sizes.Backlog} waiting, {handled} handled; the worker's most memory grew by {grown} MB (allowed {allowed})", grown > allowed ? "it took too much memory" : null);
    }

    public static async Task<RowResult> FailoverAsync(Stage stage)
    {
        const int batch = 300, free = 20;
        var (kills, takeovers) = (stage.Sizes.IsFull ? 10 : 2, new List<double>());
        stage.Keys = 8;
        await stage.ShareStateAsync();
        await stage.PublisherAsync();
        var active = await stage.ReadyWorkerAsync(Single);
        for (var i = 0; i < kills; i++)
        {
            var standby = await stage.ReadyWorkerAsync(Single);
            await stage.PublishAsync(i * batch, batch - free);
            await stage.UntilAsync(lines => lines.Exists(line => line.What == 'B' && line.Process == active.Id), "the active one works");
            var dead = Stage.Now();
            await active.KillAsync();
            // What the dead one held comes when its lease is over; these are free.
            await stage.PublishAsync(((i + 1) * batch) - free, free);
            await stage.UntilAsync(lines => lines.Exists(line => line.What == 'B' && line.Process == standby.Id), "the other takes over");
            takeovers.Add((stage.Lines().Where(line => line.What == 'B' && line.Process == standby.Id).Min(static line => line.At) - dead) / 1000.0);
            active = standby;
        }

        var account = await stage.AccountAsync();
        var worked = stage.Lines().Where(static line => line.What == 'B').OrderBy(static line => line.At).Select(static line => line.Process).ToList();
        var changes = worked.Zip(worked.Skip(1)).Count(static two => two.First != two.Second);
        var worst = takeovers.Max();
        return new(
            account, $"{kills} kills; takeover {takeovers.Min():0.0} to {worst:0.0} s; {changes} changes of who works",
            worst > 5 ? "the takeover took longer than 5 s" : changes > kills ? "two worked at once" : account.Doubled > kills * Window ? "more were doubled than were under way" : null);

        static Job Single(Job job) => job with { SingleActive = true, Handling = TimeSpan.FromMilliseconds(20) };
    }

    private static async Task<RowResult> TerminatedAsync(Stage stage, TimeSpan handling, int hanging, TimeSpan more)
    {
        var grace = TimeSpan.FromSeconds(stage.Sizes.IsFull ? 10 : 4);
        const int concurrency = 32;
        await stage.PublisherAsync();
        var worker = await stage.ReadyWorkerAsync(job => job with { Handling = handling, Concurrency = concurrency, DrainTimeout = grace, Hanging = hanging });
        await stage.PublishAsync(0, 200);
        await stage.UntilAsync(lines => lines.Count(static line => line.What == 'B') >= concurrency && lines.Exists(static line => line.What == 'E'), "handlers run");
        var took = await worker.TerminateAsync(grace + TimeSpan.FromSeconds(30));
        var lines = stage.Lines();
        var aborted = lines.Where(static line => line.What == 'B').Select(static line => line.Number).Except(lines.Where(static line => line.What == 'E').Select(static line => line.Number)).Count();
        var code = worker.HasExited ? worker.ExitCode : -1;
        var dead = Stage.Now();
        await stage.ReadyWorkerAsync();
        var account = await stage.AccountAsync();
        var burnt = stage.Lines().Count(line => line.What == 'B' && line.At > dead && line.Attempt > 1);
        var limit = grace + more;
        return new(
            account, $"ended after {took.TotalSeconds:0.0} s (grace {grace.TotalSeconds:0} s) with exit code {code}; {aborted} handlers aborted, {burnt} attempts burnt",
            took > limit ? $"it took longer than {limit.TotalSeconds:0} s"
                : aborted > (hanging < 0 ? 0 : 1) ? "handlers were aborted" : burnt > 0 ? "attempts were burnt" : account.Doubled > 0 ? "messages ran twice" : null);
    }

    /// <summary>What a process that is dead had begun and not ended: it comes again.</summary>
    private static HashSet<int> Begun(Stage stage, int process)
    {
        var lines = stage.Lines();
        var ended = lines.Where(static line => line.What == 'E').Select(static line => line.Number).ToHashSet();
        return [.. lines.Where(line => line.What == 'B' && line.Process == process && !ended.Contains(line.Number)).Select(static line => line.Number)];
    }
}
