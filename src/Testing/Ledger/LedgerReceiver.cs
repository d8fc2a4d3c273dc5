using System.Runtime.CompilerServices;
using Postrider.Core.Transport;
using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing;

/// <summary>The receiver's side of <see cref="LedgerTransport"/>.</summary>
internal class LedgerReceiver(IReceiver inner, Ledger ledger) : IReceiver
{
    private readonly ConditionalWeakTable<Delivery, StrongBox<long>> _handOuts = [];

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        var deliveries = await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
        foreach (var delivery in deliveries)
        {
            _handOuts.AddOrUpdate(delivery, new(ledger.NextHandOut()));
            Record(Kind.HandedOut, delivery, default, default);
        }

        return deliveries;
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        Record(batch.Span);
        await inner.SettleAsync(batch, results, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < batch.Length; i++)
        {
            var kind = results.Span[i].Status switch
            {
                SettleStatus.Settled => Kind.Settled,
                SettleStatus.Lost => Kind.SettlementLost,
                _ => Kind.SettlementFailed,
            };
            Record(kind, batch.Span[i].Delivery, batch.Span[i].Kind, batch.Span[i].Delay);
        }
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void Record(ReadOnlySpan<Settlement> batch)
    {
        foreach (var settlement in batch)
        {
            Record(Kind.Settling, settlement.Delivery, settlement.Kind, settlement.Delay);
        }
    }

    private void Record(Kind kind, Delivery delivery, SettlementKind settlement, TimeSpan delay) =>
        ledger.Record(new(kind, delivery.Envelope.Id)
        {
            Queue = delivery.Queue,
            Key = delivery.Envelope.Key,
            Attempt = delivery.Envelope.Attempt,
            HandOut = _handOuts.TryGetValue(delivery, out var number) ? number.Value : 0,
            Settlement = settlement,
            Delay = delay,
        });
}

/// <summary>Leases can be renewed exactly when the inner receiver's can.</summary>
internal sealed class RenewableLedgerReceiver(IReceiver inner, ILeaseRenewal renewal, Ledger ledger) : LedgerReceiver(inner, ledger), ILeaseRenewal
{
    public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken) =>
        renewal.RenewAsync(deliveries, results, cancellationToken);
}
