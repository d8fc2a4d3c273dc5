using System.Collections.Concurrent;
using System.Threading.Channels;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Support;

/// <summary>A receiver that brings what the test says, one step per receive, and answers settlements and renewals as told. It keeps what it was told itself.</summary>
internal class ScriptedReceiver : IReceiver
{
    private readonly Channel<Func<IReadOnlyList<Delivery>>> _steps = Channel.CreateUnbounded<Func<IReadOnlyList<Delivery>>>();

    /// <summary>How many deliveries each receive asked for.</summary>
    public ConcurrentQueue<int> Asked { get; } = new();

    /// <summary>Each settlement, as often as it was tried.</summary>
    public ConcurrentQueue<Settlement> Settled { get; } = new();

    public Func<Settlement, SettleResult> OnSettle { get; set; } = static _ => SettleResult.Settled;

    /// <summary>Comes before a batch is settled.</summary>
    public Func<CancellationToken, ValueTask> BeforeSettle { get; set; } = static _ => ValueTask.CompletedTask;

    public Func<ValueTask> OnStop { get; set; } = static () => ValueTask.CompletedTask;

    /// <summary>The id and what was said of each delivery, in that order.</summary>
    public IEnumerable<(string Id, SettlementKind Kind)> Told => Settled.Select(static one => (one.Delivery.Envelope.Id, one.Kind));

    public void Bring(params Delivery[] deliveries) => _steps.Writer.TryWrite(() => deliveries);

    public void Fail(Exception error) => _steps.Writer.TryWrite(() => throw error);

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        Asked.Enqueue(max);
        return await _steps.Reader.WaitToReadAsync(cancellationToken) && _steps.Reader.TryRead(out var step) ? step() : [];
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        await BeforeSettle(cancellationToken);
        for (var i = 0; i < batch.Length; i++)
        {
            Settled.Enqueue(batch.Span[i]);
            results.Span[i] = OnSettle(batch.Span[i]);
        }
    }

    public ValueTask StopAsync(CancellationToken cancellationToken)
    {
        _steps.Writer.TryComplete();
        return OnStop();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>One with leases.</summary>
internal sealed class LeasedReceiver : ScriptedReceiver, ILeaseRenewal
{
    public Func<Delivery, SettleResult> OnRenew { get; set; } = static _ => SettleResult.Settled;

    public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        for (var i = 0; i < deliveries.Length; i++)
        {
            results.Span[i] = OnRenew(deliveries.Span[i]);
        }

        return ValueTask.CompletedTask;
    }
}

/// <summary>A hand-out of nothing but its metadata. It names no type, so the only consumer of its queue gets it.</summary>
internal sealed class ScriptedDelivery(string id, int redeliveries = 0, Func<Envelope, Envelope>? change = null)
    : Delivery("orders", (change ?? (static envelope => envelope))(new() { Id = id }), redeliveries);
