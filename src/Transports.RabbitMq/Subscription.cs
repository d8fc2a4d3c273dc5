using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>A receiver's subscription to its queue, or to a level of it: begun and cancelled again and again, on one channel.</summary>
internal sealed class Subscription(ConsumerChannel owner, string queue, int level) : AsyncDefaultBasicConsumer(owner.Channel)
{
    private TaskCompletionSource? _cancelled;
    private string? _tag;

    public string Queue { get; } = queue;

    public async Task BeginAsync() =>
        _tag = await Channel.BasicConsumeAsync(Queue, autoAck: false, owner.NextTag(), noLocal: false, exclusive: false, null, this).ConfigureAwait(false);

    /// <summary>Nothing comes after it. Without effect where nothing was begun.</summary>
    public async ValueTask CancelAsync()
    {
        if (_tag is not { } tag)
        {
            return;
        }

        _tag = null;
        _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await Channel.BasicCancelAsync(tag).ConfigureAwait(false);
        // The client passes this on in order.
        await _cancelled.Task.WaitAsync(Channel.ContinuationTimeout, TimeProvider.System).ConfigureAwait(false);
    }

    /// <summary>The channel is gone.</summary>
    public void End() => _cancelled?.TrySetResult();

    /// <summary>Through the queue's log, and all acks before it. At most one message is pushed for it.</summary>
    /// <param name="patience">How long each step may take.</param>
    /// <param name="goesOn">It stays until the channel closes.</param>
    public async Task FlushAsync(TimeSpan patience, bool goesOn)
    {
        var tag = await Channel.BasicConsumeAsync(
            Queue, autoAck: false, owner.NextTag(), noLocal: false, exclusive: false, new Dictionary<string, object?> { ["x-priority"] = -1000 }, this)
            .WaitAsync(patience, TimeProvider.System).ConfigureAwait(false);
        if (!goesOn)
        {
            await Channel.BasicCancelAsync(tag).WaitAsync(patience, TimeProvider.System).ConfigureAwait(false);
        }
    }

    public override Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default) => owner.AddAsync(level, deliveryTag, exchange, routingKey, properties, body);

    public override Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        _cancelled?.TrySetResult();
        return Task.CompletedTask;
    }

    /// <summary>The broker ends the subscription when the queue is deleted, and RabbitMQ 4 also when a delivery was not settled in time.</summary>
    public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) => owner.CancelledAsync(Queue);
}
