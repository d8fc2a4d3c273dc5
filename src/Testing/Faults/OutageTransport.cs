using Postrider.Core.State;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>See <see cref="Outage"/>.</summary>
internal sealed class OutageTransport(ITransport inner, Outage outage) : ITransport, IReplyQueues, IStateStoreSource
{
    private int _inFlight;

    public TransportCapabilities Capabilities { get; } = inner.Capabilities with { Durability = Capability.Emulated("only the connection is lost") };

    public IStateStore? CreateStateStore() => (inner as IStateStoreSource)?.CreateStateStore() is { } store ? outage.Wrap(store) : null;

    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        outage.ThrowIfOn();
        await inner.DeclareAsync(topology, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        if (outage.IsOn)
        {
            results.Span.Fill(new(PublishStatus.NotSent, Outage.Error()));
            return;
        }

        // The answer takes a moment, as from a real broker; every other message is stored before it and every other one at its end.
        var connection = outage.Connection;
        var isStoredFirst = Interlocked.Increment(ref _inFlight) % 2 == 0;
        if (isStoredFirst)
        {
            await inner.PublishAsync(batch, results, cancellationToken).ConfigureAwait(false);
        }

        await Task.Yield();
        if (connection.IsCancellationRequested)
        {
            results.Span.Fill(new(PublishStatus.Unknown, Outage.Error()));
        }
        else if (!isStoredFirst)
        {
            await inner.PublishAsync(batch, results, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        outage.ThrowIfOn();
        var receiver = await inner.OpenReceiverAsync(options, cancellationToken).ConfigureAwait(false);
        return receiver is ILeaseRenewal renewal
            ? new RenewableOutageReceiver(receiver, renewal, outage)
            : new OutageReceiver(receiver, outage);
    }

    public async ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        outage.ThrowIfOn();
        return new OutageReplyReader(await ReplyQueues.OpenAsync(inner, queue, cancellationToken).ConfigureAwait(false), outage);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

/// <summary>See <see cref="Outage"/>.</summary>
internal sealed class OutageReplyReader(IReplyReader inner, Outage outage) : IReplyReader
{
    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        outage.ThrowIfOn();
        var connection = outage.Connection;
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(connection, cancellationToken);
        try
        {
            return await inner.ReadAsync(ends.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (connection.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Outage.Error();
        }
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

/// <summary>See <see cref="Outage"/>.</summary>
internal class OutageReceiver(IReceiver inner, Outage outage) : IReceiver
{
    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        outage.ThrowIfOn();
        var connection = outage.Connection;
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(connection, cancellationToken);
        try
        {
            var deliveries = await inner.ReceiveAsync(max, ends.Token).ConfigureAwait(false);
            await Task.Yield();
            return connection.IsCancellationRequested ? throw Outage.Error() : deliveries;
        }
        catch (OperationCanceledException) when (connection.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Outage.Error();
        }
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        var connection = outage.Connection;
        if (!connection.IsCancellationRequested)
        {
            await inner.SettleAsync(batch, results, cancellationToken).ConfigureAwait(false);
            await Task.Yield();
        }

        if (connection.IsCancellationRequested)
        {
            results.Span.Fill(SettleResult.Failed(Outage.Error()));
        }
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

/// <summary>Leases can be renewed exactly when the inner receiver's can.</summary>
internal sealed class RenewableOutageReceiver(IReceiver inner, ILeaseRenewal renewal, Outage outage) : OutageReceiver(inner, outage), ILeaseRenewal
{
    private readonly Outage _outage = outage;

    public async ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (_outage.IsOn)
        {
            results.Span.Fill(SettleResult.Failed(Outage.Error()));
            return;
        }

        await renewal.RenewAsync(deliveries, results, cancellationToken).ConfigureAwait(false);
    }
}
