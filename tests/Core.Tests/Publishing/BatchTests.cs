using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Publishing;

/// <summary>Many messages at once: a result for each, in their order, whatever becomes of the others.</summary>
public sealed class BatchTests
{
    [Fact]
    public async Task Each_message_has_its_result_in_the_order_of_the_messages()
    {
        var refused = new TransportException("too large", TransportError.Other);
        var transport = new ScriptedTransport(
            new(PublishStatus.Stored), new(PublishStatus.Rejected, refused), new(PublishStatus.Duplicate), new(PublishStatus.Unroutable), new(PublishStatus.Stored));
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("scripted", _ => transport));

        var items = await host.Bus.SendBatchAsync("q", Enumerable.Range(0, 5).Select(static i => new Ping(i)), static ping => new() { MessageId = $"m{ping.Number}" });

        Assert.Equal(["m0", "m1", "m2", "m3", "m4"], items.Select(static item => item.MessageId));
        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Duplicate, PublishStatus.Unroutable, PublishStatus.Stored],
            items.Select(static item => item.Status));
        Assert.Equal([false, true, false, true, false], items.Select(static item => item.Error is not null));
        Assert.Contains("too large", items[1].Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_than_the_window_arrive_in_order()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("scripted", _ => transport));

        var items = await host.Bus.PublishBatchAsync(Enumerable.Range(0, 2500).Select(static i => new Ping(i)));

        Assert.Equal(2500, items.Count);
        Assert.Equal(items.Select(static item => item.MessageId), transport.Published.Select(static message => message.Envelope.Id));
        Assert.Equal("""{"number":2499,"text":""}""", System.Text.Encoding.UTF8.GetString(transport.Published.Last().Envelope.Body.Span));
        Assert.Empty(await host.Bus.PublishBatchAsync(Array.Empty<Ping>()));
    }

    [Fact]
    public async Task Cancelled_no_more_set_out()
    {
        var transport = new ScriptedTransport();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseTransport("scripted", _ => transport));
        using var cancel = new CancellationTokenSource();

        IEnumerable<Ping> Endless()
        {
            for (var i = 0; ; i++)
            {
                if (i == 1500)
                {
                    cancel.Cancel();
                }

                yield return new(i);
            }
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await host.Bus.PublishBatchAsync(Endless(), cancellationToken: cancel.Token));
        Assert.InRange(transport.Published.Count, 1000, 1500);
    }
}
