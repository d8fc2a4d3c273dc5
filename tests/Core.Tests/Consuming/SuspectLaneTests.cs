using System.Threading.Channels;
using Postrider.Core.Consuming;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>One suspect at a time, and nothing in hand beside it. See also <see cref="SuspectTests"/>.</summary>
public sealed class SuspectLaneTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConsumingParts _parts = new();
    private readonly Channel<InFlight> _work = Channel.CreateUnbounded<InFlight>();
    private readonly CancellationTokenSource _stop = new();
    private readonly SettlementLoop _settling;
    private readonly SuspectLane _lane;
    private Task _settled = Task.CompletedTask;

    public SuspectLaneTests()
    {
        _settling = _parts.Settling(_parts.Window.Clear);
        _lane = new(_parts.Window, _work.Writer, _settling, _parts.Queue, _parts.Log);
    }

    public async ValueTask DisposeAsync()
    {
        _settling.Complete();
        await _settled.WaitAsync(Patience);
        _stop.Dispose();
        await _parts.DisposeAsync();
    }

    [Fact]
    public async Task The_one_with_the_fewest_redeliveries_runs_when_the_others_are_handed_back_and_all_else_is_settled()
    {
        var places = _parts.Window.Free;
        var innocent = _parts.Fill(new ScriptedDelivery("innocent"));
        foreach (var redeliveries in new[] { 4, 2, 3 })
        {
            _lane.Add(_parts.Fill(new ScriptedDelivery($"suspect {redeliveries}", redeliveries)), null);
        }

        var running = _lane.RunAsync(_stop.Token).AsTask();
        Assert.False(_work.Reader.TryPeek(out _));
        _parts.Window.Clear(innocent);

        // Nobody has told the broker yet that two of them go back.
        await Eventually.IsAsync(() => _lane.IsEmpty || _parts.Window.Free == 0);
        Assert.False(_work.Reader.TryPeek(out _));
        _settled = _settling.RunAsync(CancellationToken.None);

        var suspect = await _work.Reader.ReadAsync().AsTask().WaitAsync(Patience);
        Assert.Equal("suspect 2", suspect.Delivery!.Envelope.Id);
        Assert.Equal([("suspect 3", SettlementKind.Release), ("suspect 4", SettlementKind.Release)], _parts.Receiver.Told.Order());
        Assert.Equal("The message suspect 2 of 'orders' was handed out 2 times without an outcome; it is handled alone.", Assert.Single(_parts.Logged(22)));
        Assert.Equal((0, false), (_parts.Window.Free, running.IsCompleted));

        _settling.Post(suspect, Settlement.Ack(suspect.Delivery));
        await running.WaitAsync(Patience);
        Assert.Equal(places, _parts.Window.Free);
    }

    [Theory]
    [InlineData(MessageOrder.None, "3", "1,2")]
    [InlineData(MessageOrder.ByKey, "1", "2,3")]
    public async Task In_a_queue_with_an_order_the_first_that_came_runs_and_the_others_go_back_in_their_order(MessageOrder order, string runs, string goBack)
    {
        var lane = new SuspectLane(_parts.Window, _work.Writer, _settling, _parts.Queue with { Order = order }, _parts.Log);
        foreach (var (id, redeliveries) in new[] { ("1", 4), ("2", 4), ("3", 3) })
        {
            lane.Add(_parts.Fill(new ScriptedDelivery(id, redeliveries)), id == "2" ? "key" : null);
        }

        Assert.Equal((true, false, false), (lane.Has("key"), lane.Has("other"), lane.Has(null)));
        _settled = _settling.RunAsync(CancellationToken.None);
        var running = lane.RunAsync(_stop.Token).AsTask();
        var suspect = await _work.Reader.ReadAsync().AsTask().WaitAsync(Patience);
        Assert.Equal(runs, suspect.Delivery!.Envelope.Id);
        Assert.Equal(goBack.Split(','), _parts.Receiver.Told.Select(static one => one.Item1));

        _settling.Post(suspect, Settlement.Ack(suspect.Delivery));
        await running.WaitAsync(Patience);
        Assert.False(lane.Has("key"));
    }

    [Fact]
    public async Task Stopped_while_others_run_it_hands_every_suspect_back()
    {
        var places = _parts.Window.Free;
        var innocent = _parts.Fill(new ScriptedDelivery("innocent"));
        _lane.Add(_parts.Fill(new ScriptedDelivery("1", 2)), null);
        _lane.Add(_parts.Fill(new ScriptedDelivery("2", 2)), null);
        _settled = _settling.RunAsync(CancellationToken.None);
        var running = _lane.RunAsync(_stop.Token).AsTask();

        await _stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Patience));
        await Eventually.IsAsync(() => _parts.Window.Free == places - 1);
        Assert.Equal([("1", SettlementKind.Release), ("2", SettlementKind.Release)], _parts.Receiver.Told.Order());
        Assert.True(_lane.IsEmpty);
        Assert.False(_work.Reader.TryPeek(out _));
        Assert.NotNull(innocent.Delivery);
    }
}
