using System.Diagnostics;
using Postrider.Reliability.Rig;

namespace Postrider.Reliability.Rows;

/// <summary>What happens to the broker and to the network.</summary>
internal static class BrokerRows
{
    /// <summary>What two workers may have under way: all of it may come twice after a kill.</summary>
    private const int InFlight = 2 * 512;

    public static async Task<RowResult> KilledAsync(Stage stage) => await UnderLoadAsync(stage, [0.1, 0.3, 0.5, 0.7, 0.9], stage.Broker.KillAsync);

    public static async Task<RowResult> RestartedAsync(Stage stage) => await UnderLoadAsync(stage, [0.3, 0.7], stage.Broker.StopAsync);

    public static async Task<RowResult> AwayAsync(Stage stage)
    {
        var timeout = TimeSpan.FromSeconds(5);
        await stage.PublisherAsync(timeout);
        await stage.ReadyWorkerAsync();
        await stage.PublishAsync(0, 1000);
        await stage.Broker.KillAsync();
        var before = Process.GetCurrentProcess().WorkingSet64;
        var (away, next, slowest) = (Stopwatch.GetTimestamp(), 1000, TimeSpan.Zero);
        var calls = new List<Task<TimeSpan>>();
        while (Stopwatch.GetElapsedTime(away) < stage.Sizes.Outage)
        {
            var number = next++;
            calls.Add(Task.Run(async () =>
            {
                var started = Stopwatch.GetTimestamp();
                await stage.PublishAsync(number);
                return Stopwatch.GetElapsedTime(started);
            }));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }

        var grown = (Process.GetCurrentProcess().WorkingSet64 - before) / 1_000_000;
        await stage.Broker.StartAsync();
        foreach (var call in calls)
        {
            var took = await call.WaitAsync(timeout + TimeSpan.FromSeconds(30));
            slowest = took > slowest ? took : slowest;
        }

        await stage.PublishAsync(next, 1000);
        var account = await stage.AccountAsync();
        return new(
            account, $"away {stage.Sizes.Outage.TotalSeconds:0} s; {calls.Count} publishes meanwhile, {stage.Failures.Count} ended with a typed error, the slowest call took {slowest.TotalSeconds:0.0} s of {timeout.TotalSeconds:0}; memory {grown:+0;-0} MB",
            slowest > timeout + TimeSpan.FromSeconds(2) ? "a publish took longer than its timeout" : grown > 50 ? "memory grew by more than 50 MB" : null);
    }

    public static async Task<RowResult> AbsentAsync(Stage stage)
    {
        await stage.PublisherAsync();
        var first = await stage.ReadyWorkerAsync();
        await first.TerminateAsync(TimeSpan.FromSeconds(20));
        await stage.PublishAsync(0, 500);
        await stage.Broker.StopAsync();
        var worker = stage.Worker();
        await Task.Delay(stage.Sizes.Absence, TimeProvider.System);
        if (worker.HasExited)
        {
            return new(default, $"exit code {worker.ExitCode}", "the application ended");
        }

        var back = await stage.StartBrokerAsync();
        var account = await stage.AccountAsync();
        var recovery = Recovery(stage, back);
        return new(account, $"absent {stage.Sizes.Absence.TotalSeconds:0} s; first message after {recovery:0.0} s", recovery > 10 ? "it took longer than 10 s" : null);
    }

    public static async Task<RowResult> ResetAsync(Stage stage)
    {
        using var network = new TcpProxy(stage.Broker.Port);
        stage.Address = stage.Broker.AddressWith(network.Port);
        await stage.PublisherAsync();
        await stage.ReadyWorkerAsync();
        await stage.ReadyWorkerAsync();
        var (resets, number, started) = (0, 0, Stopwatch.GetTimestamp());
        using var stop = new CancellationTokenSource();
        var publishing = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await stage.PublishAsync(Interlocked.Increment(ref number));
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            }
        })));
        while (Stopwatch.GetElapsedTime(started) < stage.Sizes.Resets)
        {
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            resets += network.Reset();
        }

        await stop.CancelAsync();
        await publishing;
        var account = await stage.AccountAsync();
        return new(account, $"{resets} connections reset in {stage.Sizes.Resets.TotalSeconds:0} s; {stage.Confirmed.Count} confirmed, {stage.Failures.Count} failed", stage.Failures.Count > 0 ? "publishes failed" : null);
    }

    public static async Task<RowResult> OutstandingAsync(Stage stage)
    {
        await stage.PublisherAsync(TimeSpan.FromSeconds(20));
        await stage.ReadyWorkerAsync();
        var calls = Enumerable.Range(0, stage.Sizes.Outstanding).Select(number => Task.Run(() => stage.PublishAsync(number))).ToList();
        await stage.Broker.KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        await stage.Broker.StartAsync();
        var all = Task.WhenAll(calls);
        await Task.WhenAny(all, Task.Delay(TimeSpan.FromSeconds(40), TimeProvider.System));
        var hanging = calls.Count(static call => !call.IsCompleted);
        return new(
            await stage.AccountAsync(), $"{calls.Count} outstanding; {stage.Confirmed.Count} confirmed, {stage.Failures.Count} failed with a typed error, {hanging} hang", hanging > 0 ? "calls hang" : null);
    }

    private static async Task<RowResult> UnderLoadAsync(Stage stage, double[] at, Func<Task> end)
    {
        await stage.PublisherAsync();
        await stage.ReadyWorkerAsync();
        await stage.ReadyWorkerAsync();
        var (count, recoveries) = (stage.Sizes.Messages, new List<double>());
        var publishing = stage.PublishAsync(0, count);
        foreach (var share in at)
        {
            while (stage.Confirmed.Count < count * share && !publishing.IsCompleted)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }

            await end();
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            var back = await stage.StartBrokerAsync();
            await stage.UntilAsync(lines => lines.Exists(line => line.What == 'B' && line.At >= back), "messages come again");
            recoveries.Add(Recovery(stage, back));
        }

        await publishing;
        var account = await stage.AccountAsync();
        var (worst, limit) = (recoveries.Max(), stage.Kind.Name == "rabbitmq" ? 10 : 5);
        return new(
            account, $"{at.Length} times in {count} messages; recovery {recoveries.Min():0.0} to {worst:0.0} s; {stage.Failures.Count} publishes failed",
            worst > limit ? $"recovery took longer than {limit} s" : account.Doubled > InFlight * at.Length ? "more were doubled than were under way" : null);
    }

    /// <summary>From when the broker took connections to the first message, in seconds.</summary>
    private static double Recovery(Stage stage, long back) =>
        (stage.Lines().Where(line => line.What == 'B' && line.At >= back).Select(static line => line.At).DefaultIfEmpty(long.MaxValue).Min() - back) / 1000.0;
}
