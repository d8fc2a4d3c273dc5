using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Support;

/// <summary>
/// The in-memory transport with transactions that keep what is published in them to themselves until they commit. What happens is told in
/// <see cref="Events"/>; what goes wrong can be chosen.
/// </summary>
internal sealed class TransactionalTransport(InMemoryBroker broker) : ITransport, ITransactionalPublishing
{
    private readonly InMemoryTransport _inner = new(broker);

    /// <summary><c>begin</c>, <c>commit</c>, <c>rollback</c>, and the kinds of settlement.</summary>
    public ConcurrentQueue<string> Events { get; } = new();

    public Func<IsolationLevel, ValueTask> OnBegin { get; set; } = static _ => ValueTask.CompletedTask;

    public Func<ValueTask> OnPublish { get; set; } = static () => ValueTask.CompletedTask;

    public Func<CommitStatus> OnCommit { get; set; } = static () => CommitStatus.Committed;

    public TransportCapabilities Capabilities => _inner.Capabilities with { Transactions = Capability.Native };

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => _inner.DeclareAsync(topology, cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        _inner.PublishAsync(batch, results, cancellationToken);

    public async ValueTask PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, DbTransaction transaction, CancellationToken cancellationToken)
    {
        await OnPublish();
        foreach (var message in batch.ToArray())
        {
            ((BufferTransaction)transaction).Published.Enqueue(message with { Envelope = message.Envelope with { Body = message.Envelope.Body.ToArray() } });
        }

        results.Span.Fill(new(PublishStatus.Stored));
    }

    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
        new Receiver(this, await _inner.OpenReceiverAsync(options, cancellationToken));

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private sealed class Receiver(TransactionalTransport owner, IReceiver inner) : IReceiver, ITransactionalReceiver
    {
        public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

        public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
        {
            foreach (var settlement in batch.Span)
            {
                owner.Events.Enqueue($"{settlement.Kind}");
            }

            return inner.SettleAsync(batch, results, cancellationToken);
        }

        public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

        public async ValueTask<IDeliveryTransaction> BeginAsync(Delivery delivery, IsolationLevel isolation, CancellationToken cancellationToken)
        {
            await owner.OnBegin(isolation);
            owner.Events.Enqueue("begin");
            return new Handling(owner, inner, delivery);
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class Handling(TransactionalTransport owner, IReceiver receiver, Delivery delivery) : IDeliveryTransaction
    {
        private readonly BufferTransaction _transaction = new();
        private bool _committed;

        public DbTransaction Transaction => _transaction;

        public async ValueTask<CommitStatus> CommitAsync()
        {
            var status = owner.OnCommit();
            if (status == CommitStatus.Committed)
            {
                _committed = true;
                owner.Events.Enqueue("commit");
                await owner._inner.PublishAsync(_transaction.Published.ToArray(), new PublishResult[_transaction.Published.Count], CancellationToken.None);
                await receiver.SettleAsync(new[] { Settlement.Ack(delivery) }, new SettleResult[1], CancellationToken.None);
            }

            return status;
        }

        public ValueTask DisposeAsync()
        {
            if (!_committed)
            {
                owner.Events.Enqueue("rollback");
            }

            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>A transaction of no database.</summary>
internal sealed class BufferTransaction : DbTransaction
{
    public ConcurrentQueue<OutgoingMessage> Published { get; } = new();

    public override IsolationLevel IsolationLevel => IsolationLevel.ReadCommitted;

    protected override DbConnection? DbConnection => null;

    public override void Commit() => throw new NotSupportedException();

    public override void Rollback() => throw new NotSupportedException();
}
