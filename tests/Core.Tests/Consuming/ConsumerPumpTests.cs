using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>One pump over a receiver that does what the test says: outages, broken promises, lost leases, loops that break off, and drains that something hangs in.</summary>
public sealed partial class ConsumerPumpTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConsumingParts _parts = new();
    private readonly ConcurrentQueue<string> _runs = new();
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _pump = Task.CompletedTask;

    public ConsumerPumpTests() => _parts.Consume = context =>
    {
        _runs.Enqueue(context.MessageId);
        return new(Outcome.Ack);
    };

    private ScriptedReceiver Receiver => _parts.Receiver;

    public async ValueTask DisposeAsync()
    {
        _goOn.TrySetResult();
        await _parts.DisposeAsync();
    }

    [Fact]
    public async Task A_pump_that_is_stopped_ends_without_an_error_and_tells_that_nobody_was_abandoned()
    {
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("1"));
        await Eventually.IsAsync(() => Receiver.Settled.Count == 1);

        await _parts.StopAsync(pump);

        Assert.Equal([("1", SettlementKind.Ack)], Receiver.Told);
        Assert.Equal(["Stopped receiving from the queue 'orders': 0 handlers had to be abandoned."], _parts.Log.Lines.Select(static line => line.Text));
        Assert.Equal(QueueState.Draining, _parts.Status.Queues["orders"]);
    }

    [Fact]
    public async Task An_outage_is_told_and_its_end_too()
    {
        var pump = _parts.Pump();
        Receiver.Fail(new TransportException("The broker is away.", TransportError.Unavailable));
        await Eventually.IsAsync(() => _parts.Status.Queues["orders"] == QueueState.Reconnecting && !_parts.Reported.IsEmpty);

        Assert.Equal("The broker is away.", _parts.Status.Error?.Message);
        Assert.True(_parts.Reported.TryPeek(out var report));
        Assert.Equal(("receive", "orders", "The broker is away."), (report.During, report.Queue, report.Exception.Message));
        Assert.InRange(Pauses().Single(), TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(100));
        Assert.Empty(_parts.Logged(12));

        Receiver.Bring(new ScriptedDelivery("1"));
        await _parts.PassUntilAsync(() => !_runs.IsEmpty);

        Assert.Equal("Receiving from the queue 'orders' again.", Assert.Single(_parts.Logged(12)));
        Assert.Equal((QueueState.Receiving, null), (_parts.Status.Queues["orders"], _parts.Status.Error));
        await _parts.StopAsync(pump);
    }

    [Fact]
    public async Task After_an_outage_a_queue_that_stays_empty_is_well_again_after_a_moment_of_doubt()
    {
        var pump = _parts.Pump();
        Receiver.Fail(new TransportException("The broker is away.", TransportError.Unavailable));
        await Eventually.IsAsync(() => _parts.Status.Queues["orders"] == QueueState.Reconnecting);

        await _parts.PassUntilAsync(() => _parts.Status.Queues["orders"] == QueueState.Receiving);

        Assert.Null(_parts.Status.Error);
        Assert.Single(_parts.Logged(12));
        await _parts.StopAsync(pump);
    }

    [Fact]
    public async Task While_an_outage_goes_on_nothing_is_said_to_be_well_and_the_pauses_grow_until_something_comes()
    {
        var pump = _parts.Pump();
        for (var i = 0; i < 4; i++)
        {
            Receiver.Fail(new TransportException("The broker is away.", TransportError.Unavailable));
        }

        await _parts.PassUntilAsync(() => _parts.Logged(11).Length == 4);
        Assert.Empty(_parts.Logged(12));
        Assert.InRange(Pauses()[3], TimeSpan.FromMilliseconds(400), TimeSpan.FromMilliseconds(800));

        Receiver.Bring(new ScriptedDelivery("1"));
        Receiver.Fail(new TransportException("Away once more.", TransportError.Unavailable));
        await _parts.PassUntilAsync(() => _parts.Logged(11).Length == 5);

        Assert.Single(_parts.Logged(12));
        Assert.InRange(Pauses()[4], TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(100));
        await _parts.StopAsync(pump);
    }

    [Fact]
    public async Task A_receiver_that_brings_nothing_has_ended_and_so_does_the_pump()
    {
        var pump = _parts.Pump();
        Receiver.Bring();

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => _parts.EndAsync(pump));

        Assert.Equal("The consumer pump of 'orders' broke off.", error.Message);
        Assert.Single(Receiver.Asked);
    }

    [Fact]
    public async Task More_than_was_asked_for_is_an_error_of_the_receiver()
    {
        var pump = _parts.Pump();
        Receiver.Bring([.. Enumerable.Range(0, _parts.Queue.FirstWindow + 1).Select(static i => new ScriptedDelivery($"{i}"))]);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => _parts.EndAsync(pump));

        Assert.Equal("The receiver of 'orders' returned more deliveries than were asked for.", error.Message);
        Assert.Equal(_parts.Queue.FirstWindow, Assert.Single(Receiver.Asked));
    }

    [Fact]
    public async Task A_message_is_run_until_it_was_handed_out_as_often_as_it_may_be()
    {
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("last", redeliveries: 3));
        await Eventually.IsAsync(() => Receiver.Settled.Count == 1);
        Receiver.Bring(new ScriptedDelivery("too often", redeliveries: 4));
        await Eventually.IsAsync(() => Receiver.Settled.Count == 2);
        await _parts.StopAsync(pump);

        Assert.Equal(["last"], _runs);
        Assert.Equal([("last", SettlementKind.Ack), ("too often", SettlementKind.DeadLetter)], Receiver.Told);
    }

    [Fact]
    public async Task Without_an_order_messages_of_one_key_run_beside_each_other()
    {
        HoldHandlers();
        var pump = _parts.Pump();
        Receiver.Bring(Keyed("1"), Keyed("2"));

        await Eventually.IsAsync(() => _runs.Count == 2);

        _goOn.SetResult();
        await _parts.StopAsync(pump);
    }

    [Theory]
    [InlineData(20)] // a worker, as it tells of a retry
    [InlineData(24)] // the settling loop, as it tells of a lost lease
    [InlineData(26)] // the renewer, as it tells that it failed
    public async Task A_loop_that_breaks_off_ends_the_pump_with_its_error(int whenLogging)
    {
        _parts.Logger = new BrokenLog(whenLogging);
        _parts.Consume = async context =>
        {
            if (whenLogging == 26)
            {
                await _goOn.Task.WaitAsync(context.CancellationToken);
            }

            return whenLogging == 20 ? Outcome.Retry(TimeSpan.Zero) : Outcome.Ack;
        };
        Receiver.OnSettle = static _ => SettleResult.Lost;
        ((LeasedReceiver)Receiver).OnRenew = static _ => SettleResult.Failed(new IOException("away"));
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("1"));

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => _parts.EndAsync(pump));

        Assert.Equal("The consumer pump of 'orders' broke off.", error.Message);
        Assert.Equal($"The disk is full at {whenLogging}.", error.InnerException?.GetBaseException().Message);
    }

    [Fact]
    public async Task What_is_lost_while_it_waits_for_a_worker_is_neither_run_nor_settled_nor_counted()
    {
        _parts.Queue = _parts.Queue with { Concurrency = 1 };
        await LoseTheSecondWhileTheFirstRunsAsync();
        _goOn.SetResult();
        Receiver.Bring(new ScriptedDelivery("3"));
        await Eventually.IsAsync(() => Receiver.Settled.Count == 2);
        await _parts.StopAsync(_pump);

        Assert.Equal(["1", "3"], _runs);
        Assert.Equal(2, _parts.Counted("messaging.client.consumed.messages"));
        Assert.Equal([("1", SettlementKind.Ack), ("3", SettlementKind.Ack)], Receiver.Told);
        Assert.EndsWith(" 0 handlers had to be abandoned.", Assert.Single(_parts.Logged(13)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_lost_while_it_waits_behind_another_of_its_key_is_not_handed_back()
    {
        _parts.Queue = _parts.Queue with { Order = MessageOrder.ByKey };
        await LoseTheSecondWhileTheFirstRunsAsync();
        var stopping = _parts.StopAsync(_pump);
        await Eventually.IsAsync(() => _parts.Status.Queues["orders"] == QueueState.Draining);
        _goOn.SetResult();
        await stopping;

        Assert.Equal(["1"], _runs);
        Assert.DoesNotContain(Receiver.Told, static told => told.Id == "2");
        Assert.EndsWith(" 0 handlers had to be abandoned.", Assert.Single(_parts.Logged(13)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handlers_that_do_not_end_are_abandoned_and_counted_and_their_messages_go_back()
    {
        HoldHandlers();
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("1"), new ScriptedDelivery("2"));
        await Eventually.IsAsync(() => _runs.Count == 2);

        await _parts.StopAsync(pump);

        Assert.Equal("Stopped receiving from the queue 'orders': 2 handlers had to be abandoned.", Assert.Single(_parts.Logged(13)));
        Assert.Equal([("1", SettlementKind.Release), ("2", SettlementKind.Release)], Receiver.Told.Order());
    }

    [Fact]
    public async Task Settling_that_hangs_is_cut_off_at_the_end()
    {
        var cutOff = new TaskCompletionSource();
        Receiver.BeforeSettle = async cancellation =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cutOff.SetResult();
            cancellation.ThrowIfCancellationRequested();
        };
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("1"));
        await Eventually.IsAsync(() => !_runs.IsEmpty);

        await _parts.StopAsync(pump);

        await cutOff.Task.WaitAsync(Patience);
        Assert.Empty(Receiver.Settled);
    }

    [Fact]
    public async Task A_receiver_that_does_not_stop_keeps_nothing_from_being_settled()
    {
        Receiver.OnStop = static () => throw new IOException("The connection is gone.");
        var pump = _parts.Pump();
        Receiver.Bring(new ScriptedDelivery("1"));
        await Eventually.IsAsync(() => Receiver.Settled.Count == 1);

        await _parts.StopAsync(pump);

        Assert.Equal("Receiving from the queue 'orders' failed, trying again in 00:00:00: The connection is gone.", Assert.Single(_parts.Logged(11)));
        Assert.Single(_parts.Logged(13));
    }

    /// <summary>A broker that is still asked would hand it out here again at once, and it would go back twice.</summary>
    [Fact]
    public async Task What_goes_back_at_the_end_waits_until_the_receiver_has_stopped()
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Receiver.OnStop = () => new(stopped.Task);
        await EndWhileTheFirstOfAKeyRunsAsync();
        await Eventually.IsAsync(() => !Receiver.Settled.IsEmpty);
        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        Assert.Equal([("1", SettlementKind.Ack)], Receiver.Told);

        stopped.SetResult();
        await _parts.StopAsync(_pump);

        Assert.Equal(["1"], _runs);
        Assert.Equal([("1", SettlementKind.Ack), ("2", SettlementKind.Release), ("3", SettlementKind.Release)], Receiver.Told);
    }

    [Fact]
    public async Task What_goes_back_at_the_end_does_not_wait_for_a_receiver_that_hangs()
    {
        Receiver.OnStop = static () => new(new TaskCompletionSource().Task);
        await EndWhileTheFirstOfAKeyRunsAsync();
        await _parts.StopAsync(_pump);

        Assert.Equal([("1", SettlementKind.Ack), ("2", SettlementKind.Release), ("3", SettlementKind.Release)], Receiver.Told);
    }

    /// <summary>Until the test lets them go on.</summary>
    private void HoldHandlers() => _parts.Consume = async context =>
    {
        _runs.Enqueue(context.MessageId);
        await _goOn.Task;
        return Outcome.Ack;
    };

    private async Task EndWhileTheFirstOfAKeyRunsAsync()
    {
        _parts.Queue = _parts.Queue with { Order = MessageOrder.ByKey };
        HoldHandlers();
        _pump = _parts.Pump();
        Receiver.Bring(Keyed("1"), Keyed("2"), Keyed("3"));
        await Eventually.IsAsync(() => !_runs.IsEmpty);
        Receiver.Bring(); // No more comes.
        await Eventually.IsAsync(() => _parts.Status.Queues["orders"] == QueueState.Draining);
        _goOn.SetResult();
    }

    private async Task LoseTheSecondWhileTheFirstRunsAsync()
    {
        HoldHandlers();
        ((LeasedReceiver)Receiver).OnRenew = static delivery => delivery.Envelope.Id == "2" ? SettleResult.Lost : SettleResult.Settled;
        _pump = _parts.Pump();
        Receiver.Bring(Keyed("1"), Keyed("2"));
        await _parts.PassUntilAsync(() => _runs.Count == 1 && _parts.Logged(23).Length == 1);
    }

    private static ScriptedDelivery Keyed(string id) => new(id, change: static envelope => envelope with { Key = "a" });

    /// <summary>Those that were logged when receiving failed.</summary>
    private TimeSpan[] Pauses() => [.. _parts.Logged(11).Select(static text => TimeSpan.Parse(PauseOf().Match(text).Groups[1].Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"trying again in (\d+:\d+:\d+(\.\d+)?)")]
    private static partial Regex PauseOf();

    /// <summary>Throws at one event: what the Core calls in its loops outside of any handler, so that a loop can be made to fail.</summary>
    private sealed class BrokenLog(int at) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == at)
            {
                throw new IOException($"The disk is full at {at}.");
            }
        }
    }
}
