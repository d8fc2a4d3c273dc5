using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>Reads a queue for answers, which ends with it: there is no process that could come back.</summary>
internal sealed class InMemoryReplyReader(InMemoryBroker broker, IReceiver receiver, string queue) : IReplyReader
{
    private readonly ReceiverReplyReader _reader = new(receiver);

    public ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken) => _reader.ReadAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _reader.DisposeAsync().ConfigureAwait(false);
        broker.DeleteQueue(queue);
    }
}
