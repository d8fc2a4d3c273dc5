using System.Globalization;
using System.Runtime.CompilerServices;
using NATS.Client.Core;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.Nats;

/// <summary>The same with acks by our own inbox: one subscription for all of them, and a reused place to wait for each publish.</summary>
public sealed class NatsTuned(Job job) : NatsRaw(job)
{
    private const int Places = 1 << 16;
    private readonly Confirmation?[] _waiting = new Confirmation?[Places];
    private readonly CancellationTokenSource _stop = new();
    private string _inbox = "";
    private Task _reading = Task.CompletedTask;
    private int _last;

    public override async ValueTask PrepareAsync()
    {
        await base.PrepareAsync();
        _inbox = $"_INBOX.{Guid.NewGuid():N}."; // what is below the connection's own inbox, the client keeps to itself
        var acks = await Connection.SubscribeCoreAsync<NatsMemoryOwner<byte>>($"{_inbox}*");
        _reading = Task.Run(() => ReadAsync(acks));
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue)
    {
        var confirmation = Confirmation.For(order, queue);
        var place = Interlocked.Increment(ref _last) & (Places - 1);
        _waiting[place] = confirmation;
        var confirmed = confirmation.Task;
        await Connection.PublishAsync(
            Job.Queues[queue], HandWork.Serialize(order), Headers(order), string.Create(CultureInfo.InvariantCulture, $"{_inbox}{place}"));
        await confirmed;
    }

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _reading;
        await base.DisposeAsync();
        _stop.Dispose();
    }

    private async Task ReadAsync(INatsSub<NatsMemoryOwner<byte>> acks)
    {
        try
        {
            await foreach (var ack in acks.Msgs.ReadAllAsync(_stop.Token))
            {
                using var answer = ack.Data;
                var confirmation = _waiting[int.Parse(ack.Subject.AsSpan(_inbox.Length), NumberStyles.None, CultureInfo.InvariantCulture)]!;
                if (answer.Span.IndexOf("\"error\""u8) < 0)
                {
                    confirmation.Confirm();
                }
                else
                {
                    confirmation.Fail(new InvalidOperationException(System.Text.Encoding.UTF8.GetString(answer.Span)));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }
}
