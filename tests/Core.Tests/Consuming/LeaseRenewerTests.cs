using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>What the renewer makes of each answer of the broker, and of none. See also <see cref="LeaseTests"/>.</summary>
public sealed class LeaseRenewerTests : IAsyncDisposable
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConsumingParts _parts = new();
    private readonly LeasedReceiver _receiver = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public LeaseRenewerTests() => _parts.Receiver = _receiver;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(Patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        await _parts.DisposeAsync();
    }

    [Fact]
    public async Task What_waits_and_what_runs_is_renewed_and_its_lease_begins_anew()
    {
        var (waits, runs) = (_parts.Fill(new ScriptedDelivery("1")), _parts.Fill(new ScriptedDelivery("2")));
        runs.Begin(_parts.Time.GetTimestamp());
        Run();

        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => waits.LeasedAt == _parts.Time.GetTimestamp() && runs.LeasedAt == _parts.Time.GetTimestamp());
        Assert.Empty(_parts.Log.Lines);
    }

    [Fact]
    public async Task A_lost_lease_cancels_its_handler_and_no_other()
    {
        _receiver.OnRenew = static delivery => delivery.Envelope.Id == "2" ? SettleResult.Lost : SettleResult.Settled;
        var (ours, lost) = (_parts.Fill(new ScriptedDelivery("1")), _parts.Fill(new ScriptedDelivery("2")));
        Run();

        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => _parts.Logged(23).Length == 1);
        Assert.Equal("The lease of the message 2 of 'orders' was lost; its handler is cancelled and nothing is settled.", Assert.Single(_parts.Logged(23)));
        Assert.Equal((false, true), (ours.LeaseLost, lost.LeaseLost));
        Assert.True(lost.CancellationToken.IsCancellationRequested);
        Assert.False(ours.CancellationToken.IsCancellationRequested);
    }

    [Fact]
    public async Task What_was_settled_a_moment_ago_is_not_said_to_be_lost()
    {
        _receiver.OnRenew = static _ => SettleResult.Lost;
        var (settled, lost) = (_parts.Fill(new ScriptedDelivery("1")), _parts.Fill(new ScriptedDelivery("2")));
        settled.Finish();
        Run();

        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => lost.LeaseLost && !_parts.Log.Lines.IsEmpty);
        Assert.Contains("message 2", Assert.Single(_parts.Logged(23)), StringComparison.Ordinal);
        Assert.False(settled.LeaseLost);
    }

    [Fact]
    public async Task An_answer_is_for_what_is_in_the_window_now()
    {
        var first = _parts.Fill(new ScriptedDelivery("1"));
        Run();
        _parts.Time.Advance(Lease / 3);
        await Eventually.IsAsync(() => first.LeasedAt == _parts.Time.GetTimestamp());

        _receiver.OnRenew = static _ => SettleResult.Lost;
        _parts.Window.Clear(first);
        var second = _parts.Fill(new ScriptedDelivery("2"));
        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => second.LeaseLost);
    }

    [Fact]
    public async Task Renewals_that_fail_lose_everything_when_longer_than_a_lease_has_gone_by()
    {
        _receiver.OnRenew = static _ => SettleResult.Failed(new IOException("The broker is away."));
        var slot = _parts.Fill(new ScriptedDelivery("1"));
        Run();

        _parts.Time.Advance(Lease);

        await Eventually.IsAsync(() => _parts.Logged(26).Length > 0 && !_parts.Reported.IsEmpty);
        Assert.All(_parts.Logged(26), static text => Assert.Equal("Leases of 'orders' could not be renewed: The broker is away.", text));
        Assert.True(_parts.Reported.TryPeek(out var report));
        Assert.Equal(("renew", "orders", "The broker is away."), (report.During, report.Queue, report.Exception.Message));
        Assert.False(slot.LeaseLost);

        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => _parts.Logged(23).Length == 1);
        Assert.True(slot.LeaseLost);
    }

    [Fact]
    public async Task A_handler_that_is_to_renew_its_own_lease_has_one_lease_of_time()
    {
        _parts.Queue = _parts.Queue with { RenewLease = false };
        var (waits, runs) = (_parts.Fill(new ScriptedDelivery("1")), _parts.Fill(new ScriptedDelivery("2")));
        runs.Begin(_parts.Time.GetTimestamp());
        Run();

        _parts.Time.Advance(Lease);

        await Eventually.IsAsync(() => waits.LeasedAt == _parts.Time.GetTimestamp());
        Assert.Equal((0, false), (_parts.Time.GetElapsedTime(waits.LeasedAt).Ticks, runs.LeaseLost));

        _parts.Time.Advance(Lease / 3);

        await Eventually.IsAsync(() => runs.LeaseLost);
        Assert.False(waits.LeaseLost);
    }

    [Fact]
    public async Task A_handler_that_renews_is_told_whether_the_message_is_still_its_own()
    {
        var asked = 0;
        _receiver.OnRenew = _ => asked++ switch { 0 => SettleResult.Settled, 1 => SettleResult.Failed(new IOException("away")), _ => SettleResult.Lost };
        var renewer = _parts.Renewer();
        var slot = _parts.Fill(new ScriptedDelivery("1"));
        _parts.Time.Advance(Lease / 2);

        Assert.True(await renewer.RenewAsync(slot, CancellationToken.None));
        Assert.Equal(_parts.Time.GetTimestamp(), slot.LeasedAt);
        await Assert.ThrowsAsync<IOException>(async () => await renewer.RenewAsync(slot, CancellationToken.None));
        Assert.False(slot.LeaseLost);
        Assert.False(await renewer.RenewAsync(slot, CancellationToken.None));
        Assert.True(slot.LeaseLost && slot.CancellationToken.IsCancellationRequested);
        Assert.Single(_parts.Logged(23));

        // Nobody is asked any more.
        Assert.False(await renewer.RenewAsync(slot, CancellationToken.None));
        _parts.Window.Clear(slot);
        Assert.False(await renewer.RenewAsync(slot, CancellationToken.None));
        Assert.Equal(3, asked);
    }

    private void Run() => _running = _parts.Renewer().RunAsync(_stop.Token);
}
