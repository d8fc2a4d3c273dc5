using System.Runtime.CompilerServices;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>A bus without a host, for tests of what publishes: it keeps what it is given, and says that it is stored. Thread-safe.</summary>
/// <param name="time">The clock of the timeline; the system's if null.</param>
public sealed class FakeBus(TimeProvider? time = null) : IMessageBus
{
    private readonly Timeline _timeline = new(time ?? TimeProvider.System);

    /// <inheritdoc/>
    public ValueTask<PublishReceipt> PublishAsync<TMessage>(TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        var topic = options?.Topic ?? MessageType<TMessage>.Instance.Name ?? options?.MessageType;
        ArgumentException.ThrowIfNullOrEmpty(topic, "options.Topic"); // text and bytes have none of their own
        return KeepAsync(message, Destination.Topic(topic), options, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<PublishReceipt> SendAsync<TMessage>(
        string queue, TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        ArgumentException.ThrowIfNullOrEmpty(queue);
        return KeepAsync(message, Destination.Queue(queue), options, cancellationToken);
    }

    /// <summary>What was published or sent.</summary>
    /// <param name="where">Which messages; null: all of the type.</param>
    /// <param name="condition">The words of <paramref name="where"/>, for failures. Leave it out.</param>
    public Observed<PublishedMessage<TMessage>> Published<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Observation.Published(_timeline, where, condition);

    /// <summary>Forgets what was published.</summary>
    public void Clear() => _timeline.Clear();

    private ValueTask<PublishReceipt> KeepAsync<TMessage>(
        TMessage message, Destination destination, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new();
        var id = options.MessageId ?? MessageIds.New(_timeline.Now);
        var publishing = new Publishing(message, MessageType<TMessage>.Instance.Name ?? options.MessageType, destination, options);
        publishing.End(id, PublishStatus.Stored);
        _timeline.Add(publishing);
        return new(new PublishReceipt(id, PublishStatus.Stored));
    }
}
