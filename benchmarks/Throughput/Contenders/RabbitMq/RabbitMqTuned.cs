using System.Collections.Concurrent;
using System.Threading.Channels;
using Postrider.Throughput.Work;
using RabbitMQ.Client;

namespace Postrider.Throughput.Contenders.RabbitMq;

/// <summary>The same with our own confirm tracking: one writer gives the sequence its order, and no task is made per message.</summary>
public sealed class RabbitMqTuned(Job job) : RabbitMqRaw(job)
{
    private readonly Channel<Confirmation> _waiting = System.Threading.Channels.Channel.CreateUnbounded<Confirmation>(new() { SingleReader = true });
    private readonly ConcurrentDictionary<ulong, Confirmation> _unconfirmed = new();
    private ulong _confirmedTo;
    private Task _writing = Task.CompletedTask;

    protected override CreateChannelOptions Options => new(true, false, outstandingPublisherConfirmationsRateLimiter: null);

    public override async ValueTask PrepareAsync()
    {
        await base.PrepareAsync();
        Channel.BasicAcksAsync += (_, ack) =>
        {
            Confirm(ack.DeliveryTag, ack.Multiple);
            return Task.CompletedTask;
        };
        _writing = Task.Run(WriteAsync);
    }

    public override ValueTask PublishAsync(Order order, int queue)
    {
        var confirmation = Confirmation.For(order, queue);
        var task = confirmation.Task;
        _waiting.Writer.TryWrite(confirmation);
        return task;
    }

    public override async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writing;
        await base.DisposeAsync();
    }

    private async Task WriteAsync()
    {
        ulong sequence = 0;
        await foreach (var confirmation in _waiting.Reader.ReadAllAsync())
        {
            var order = confirmation.Order;
            _unconfirmed[++sequence] = confirmation;
            await Channel.BasicPublishAsync(Exchange, Job.Queues[confirmation.Queue], mandatory: true, Properties(order), HandWork.Serialize(order));
        }
    }

    /// <summary>Called by the connection's one reader.</summary>
    private void Confirm(ulong tag, bool multiple)
    {
        for (var i = multiple ? _confirmedTo + 1 : tag; i <= tag; i++)
        {
            if (_unconfirmed.TryRemove(i, out var confirmation))
            {
                confirmation.Confirm();
            }
        }

        _confirmedTo = multiple ? Math.Max(_confirmedTo, tag) : _confirmedTo;
    }
}
