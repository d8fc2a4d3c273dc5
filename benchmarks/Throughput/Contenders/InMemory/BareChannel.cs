using System.Threading.Channels;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.InMemory;

/// <summary>A bounded channel and workers, with the same JSON and a scope per message: the least that can be done.</summary>
public sealed class BareChannel : Contender
{
    private const int Capacity = 1000;
    private readonly Channel<(byte[] Body, Received Metadata)>[] _channels;
    private readonly HandWork _work;
    private Task _workers = Task.CompletedTask;

    public BareChannel(Job job)
        : base(job)
    {
        _work = new(Job);
        _channels = [.. Job.Queues.Select(_ => Channel.CreateBounded<(byte[], Received)>(Capacity))];
    }

    public override ValueTask PrepareAsync() => ValueTask.CompletedTask;

    public override ValueTask PublishAsync(Order order, int queue) => _channels[queue].Writer.WriteAsync((
        HandWork.Serialize(order),
        new(Job.NewId(), Order.TypeName, Job.Correlation(order), Job.TraceParent, TimeProvider.System.GetUtcNow())));

    public override ValueTask ConsumeAsync()
    {
        _workers = Task.WhenAll(_channels.SelectMany(channel => Enumerable.Range(0, Job.Shape.Concurrency).Select(_ => Task.Run(() => WorkAsync(channel.Reader)))));
        return ValueTask.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
        {
            channel.Writer.Complete();
        }

        await _workers;
        await _work.DisposeAsync();
    }

    private async Task WorkAsync(ChannelReader<(byte[] Body, Received Metadata)> reader)
    {
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out var letter))
            {
                await _work.HandleAsync(letter.Body, letter.Metadata);
            }
        }
    }
}
