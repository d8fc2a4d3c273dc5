using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>The broker is killed while everybody works, and the same objects go on. The ledger tells whether anything confirmed is missing.</summary>
/// <remarks>Needs <see cref="TransportFixture.StartPrivateBrokerAsync"/>. Never runs side by side with others that kill.</remarks>
[Collection("Scenarios that kill a broker")]
public abstract class OutageUnderLoadScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    private const int Publishers = 20;
    private const int Each = 150;
    private readonly Ledger _ledger = new(fixture.Time);
    private readonly List<DateTimeOffset> _back = [];
    private int _confirmed;

    [Scenario(Fault.ConfirmsEarly, Fault.AcksEarly)]
    public async Task Killed_at_a_third_and_a_half_of_a_run_nothing_confirmed_is_lost()
    {
        using var run = await StartRunAsync();
        var publishing = Enumerable.Range(0, Publishers).Select(_ => Task.Run(() => PublishUntilConfirmedAsync(run))).ToArray();
        // One consumer dies together with the broker, holding deliveries.
        var doomed = await OpenAsync(run.Transport, run.Queue, Fixture.Lease, prefetch: 20);
        await TakeAsync(doomed, 20);
        var consuming = Task.Run(() => ConsumeAsync(run, Settlement.Ack));

        foreach (var at in new[] { Publishers * Each / 3, Publishers * Each / 2 })
        {
            await ReachedAsync(at);
            await run.Broker.KillAsync(Deadline);
            await doomed.DisposeAsync();
            await StartAgainAsync(run.Broker);
            _back.Add(Time.GetUtcNow());
        }

        await Task.WhenAll(publishing);
        await NothingIsLostAsync(run, consuming);
    }

    [Scenario(Fault.AcksEarly)]
    public async Task Killed_while_settling_nothing_is_lost_and_attempts_are_right()
    {
        using var run = await StartRunAsync();
        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(_ => Task.Run(() => PublishUntilConfirmedAsync(run))));
        // Every message is tried twice.
        var consuming = Task.Run(() => ConsumeAsync(run, static one => one.Envelope.Attempt == 1 ? Settlement.Retry(one, TimeSpan.Zero) : Settlement.Ack(one)));

        await HandedOutAsync(Publishers * Each / 2);
        await run.Broker.KillAsync(Deadline);
        await StartAgainAsync(run.Broker);
        _back.Add(Time.GetUtcNow());

        var report = await NothingIsLostAsync(run, consuming);
        Assert.True(report.WrongAttempt.Count == 0 || !run.Transport.Capabilities.ConfirmedSettlement.IsSupported, Explain(report, report.WrongAttempt));
    }

    private async Task<Run> StartRunAsync()
    {
        var broker = await StartPrivateBrokerAsync();
        var transport = new LedgerTransport(await ConnectAsync(broker), _ledger);
        Assert.SkipUnless(transport.Capabilities.Durability.IsSupported, "Durability is not claimed; that it is absent is shown elsewhere.");
        var queue = await QueueAsync(transport);
        return new(broker, transport, queue, await OpenAsync(transport, queue, Fixture.Lease));
    }

    private async Task PublishUntilConfirmedAsync(Run run)
    {
        for (var i = 0; i < Each; i++)
        {
            var message = Message();
            // One that went unanswered may be stored: then the next try is a duplicate, where duplicates are found.
            while ((await PublishAsync(run.Transport, To(run.Queue, message)))[0].Status is not (PublishStatus.Stored or PublishStatus.Duplicate))
            {
                await PauseAsync();
            }

            Interlocked.Increment(ref _confirmed);
        }
    }

    private async Task ConsumeAsync(Run run, Func<Delivery, Settlement> settle)
    {
        while (true)
        {
            try
            {
                var some = await run.Receiver.ReceiveAsync(20, run.Ended.Token);
                if (some.Count == 0)
                {
                    return;
                }

                await SettleAsync(run.Receiver, [.. some.Select(settle)]);
            }
            catch (OperationCanceledException) when (run.Ended.IsCancellationRequested)
            {
                return;
            }
            catch (TransportException outage) when (outage.IsTransient)
            {
                await PauseAsync();
            }
        }
    }

    /// <summary>Waits until everything that was confirmed has been dealt with, or nothing more happens.</summary>
    private async Task<LedgerReport> NothingIsLostAsync(Run run, Task consuming)
    {
        using var patience = After(Fixture.Patience);
        var report = _ledger.Check();
        while (report.Lost.Count > 0 && !patience.IsCancellationRequested && !consuming.IsCompleted)
        {
            await PauseAsync();
            report = _ledger.Check();
        }

        await run.Ended.CancelAsync();
        await consuming.WaitAsync(Fixture.Patience, Time);
        WriteFigures(_ledger.Check());
        Assert.True(report.Lost.Count == 0, Explain(report, report.Lost));
        Assert.Equal(Publishers * Each, report.Confirmed);
        Assert.Equal(0, report.Early.Count);
        return report;
    }

    /// <summary>For the reader of a test run: what an outage costs on this transport.</summary>
    private void WriteFigures(LedgerReport report)
    {
        var events = _ledger.Events();
        var recovered = string.Join(", ", _back.Select(back => $"{First(LedgerEventKind.Confirmed, back)}/{First(LedgerEventKind.HandedOut, back)}"));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{_back.Count} kills: {report.Confirmed} confirmed, {report.Lost.Count} lost, {report.Duplicated.Count} handled twice, {report.Ghosts.Count} handled "
            + $"unconfirmed, {report.WrongAttempt.Count} with another attempt; first confirmation/hand-out ms after the broker was back: {recovered}");

        string First(LedgerEventKind kind, DateTimeOffset since)
        {
            var after = events.Where(one => one.Kind == kind && one.At >= since).Select(static one => one.At).DefaultIfEmpty().Min();
            return after == default ? "-" : $"{(after - since).TotalMilliseconds:f0}";
        }
    }

    private string Explain(LedgerReport report, LedgerFinding finding) =>
        finding.Count == 0 ? $"{report}" : $"{report}\n{_ledger.Timeline(finding.Ids[0])}";

    private async Task ReachedAsync(int confirmed)
    {
        while (Volatile.Read(ref _confirmed) < confirmed)
        {
            await PauseAsync();
        }
    }

    private async Task HandedOutAsync(int count)
    {
        while (_ledger.Events().Count(static one => one.Kind == LedgerEventKind.HandedOut) < count)
        {
            await PauseAsync();
        }
    }

    private Task PauseAsync() => Task.Delay(TimeSpan.FromMilliseconds(20), Time, Deadline);

    private sealed record Run(IBrokerUnderTest Broker, ITransport Transport, string Queue, IReceiver Receiver) : IDisposable
    {
        public CancellationTokenSource Ended { get; } = new();

        public void Dispose() => Ended.Dispose();
    }
}
