using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// The one loop that settles for a receiver. It takes whatever is waiting and settles it at once, so batches grow only under load.
/// What the broker could not be told is tried again until it is settled or lost: until then the place in the window stays taken.
/// </summary>
internal sealed class SettlementLoop(
    IReceiver receiver, ConsumerQueue queue, BrokerNames broker, Action<InFlight> free, FailureCallbacks failures, Telemetry telemetry,
    ExceptionReports reports, TimeProvider time, ILogger logger)
{
    private const int LargestBatch = 256;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly Channel<(InFlight Slot, Settlement Settlement)> _waiting =
        Channel.CreateUnbounded<(InFlight, Settlement)>(new() { SingleReader = true, AllowSynchronousContinuations = false });

    private readonly Settlement[] _batch = new Settlement[LargestBatch];
    private readonly InFlight[] _slots = new InFlight[LargestBatch];
    private readonly SettleResult[] _results = new SettleResult[LargestBatch];
    private readonly Queue<(InFlight Slot, Settlement Settlement)> _failed = new();
    private Backoff _backoff = new(FirstPause, LongestPause);
    private long _failedAt;
    private TimeSpan _pause;

    /// <summary>Never blocks: there are no more settlements than places in the window.</summary>
    public void Post(InFlight slot, Settlement settlement)
    {
        slot.Finish();
        _waiting.Writer.TryWrite((slot, settlement));
    }

    /// <summary>Nothing more will be posted; <see cref="RunAsync"/> ends when all is settled.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>Ends when completed and all is settled, or when cancelled: what is left is handed out again after its lease.</summary>
    public async Task RunAsync(CancellationToken abandon)
    {
        while (await WaitAsync(abandon).ConfigureAwait(false))
        {
            var count = Gather();
            if (count > 0)
            {
                await SettleAsync(count, abandon).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<bool> WaitAsync(CancellationToken abandon)
    {
        if (_failed.Count == 0)
        {
            return await _waiting.Reader.WaitToReadAsync(abandon).ConfigureAwait(false);
        }

        // The only timer, and only after a failure: the broker or a dead-letter queue is away.
        using var woken = CancellationTokenSource.CreateLinkedTokenSource(abandon);
        var more = _waiting.Reader.WaitToReadAsync(woken.Token).AsTask();
        var due = Task.Delay(UntilRetry(), time, woken.Token);
        var first = await Task.WhenAny(more, due).ConfigureAwait(false);
        var ended = first == more && more.IsCompletedSuccessfully && !await more.ConfigureAwait(false);
        if (ended)
        {
            await due.ConfigureAwait(false);
        }

        await woken.CancelAsync().ConfigureAwait(false);
        await ((Task)Task.WhenAll(more, due)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        abandon.ThrowIfCancellationRequested();
        return true;
    }

    private TimeSpan UntilRetry()
    {
        var left = _pause - time.GetElapsedTime(_failedAt);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private int Gather()
    {
        var count = 0;
        var due = UntilRetry() == TimeSpan.Zero;
        while (count < LargestBatch && due && _failed.TryDequeue(out var failed))
        {
            (_slots[count], _batch[count]) = failed;
            count++;
        }

        while (count < LargestBatch && _waiting.Reader.TryRead(out var waiting))
        {
            (_slots[count], _batch[count]) = waiting;
            count++;
        }

        return count;
    }

    private async ValueTask SettleAsync(int count, CancellationToken abandon)
    {
        var began = telemetry.BeginSettle();
        try
        {
            await receiver.SettleAsync(_batch.AsMemory(0, count), _results.AsMemory(0, count), abandon).ConfigureAwait(false);
        }
        catch (Exception e) when (!abandon.IsCancellationRequested)
        {
            _results.AsSpan(0, count).Fill(SettleResult.Failed(e));
        }

        var failed = 0;
        Exception? error = null;
        for (var i = 0; i < count; i++)
        {
            var (settlement, result, slot) = (_batch[i], _results[i], _slots[i]);
            if (result.Status == SettleStatus.Failed)
            {
                failed++;
                error = result.Error;
                _failed.Enqueue((slot, settlement));
                continue;
            }

            if (result.Status == SettleStatus.Lost)
            {
                logger.SettlementLost(settlement.Delivery.Envelope.Id, queue.Name);
                queue.CountersOf(slot.Envelope).SettlementLost();
            }

            telemetry.Settled(broker, settlement, result.Status, began);
            if (result.Status == SettleStatus.Settled && (slot.Fault is not null || slot.Failure is not null))
            {
                failures.Run(slot);
            }
            else
            {
                free(slot);
            }
        }

        Array.Clear(_batch, 0, count);
        Array.Clear(_slots, 0, count);
        if (failed == 0)
        {
            if (_failed.Count == 0)
            {
                _backoff.Reset();
            }

            return;
        }

        _pause = _backoff.Next();
        _failedAt = time.GetTimestamp();
        if (error is not null)
        {
            reports.Add(new(error, "settle", queue.Name));
        }

        logger.SettlementFailed(failed, queue.Name, _pause, error?.Message ?? "unknown");
    }
}
