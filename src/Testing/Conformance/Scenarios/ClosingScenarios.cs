using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Closing: at any moment, in any order, more than once, and without hanging.</summary>
public abstract class ClosingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.ThrowsOnSecondClose)]
    public async Task Everything_may_be_stopped_and_disposed_of_twice()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Message());
        await DrainAsync(receiver, 1);

        await InTimeAsync(receiver.StopAsync(Deadline));
        await InTimeAsync(receiver.StopAsync(Deadline));
        await InTimeAsync(receiver.DisposeAsync());
        await InTimeAsync(receiver.DisposeAsync());
        await InTimeAsync(transport.DisposeAsync());
        await InTimeAsync(transport.DisposeAsync());
    }

    [Scenario(Fault.ThrowsOnSecondClose)]
    public async Task Stopping_after_disposal_is_harmless()
    {
        var (transport, _, receiver) = await StartAsync();
        await InTimeAsync(receiver.DisposeAsync());
        await InTimeAsync(receiver.StopAsync(Deadline));
        var left = await OpenAsync(transport, await QueueAsync(transport));

        await InTimeAsync(transport.DisposeAsync());

        await InTimeAsync(left.StopAsync(Deadline));
        await InTimeAsync(left.DisposeAsync());
    }

    [Scenario(Fault.ThrowsOnSecondClose)]
    public async Task A_transport_that_was_never_used_can_be_disposed_of()
    {
        var transport = await ConnectAsync();

        await InTimeAsync(transport.DisposeAsync());
        await InTimeAsync(transport.DisposeAsync());
    }

    [Scenario(Fault.HangsOnClose)]
    public async Task Disposing_of_a_receiver_ends_its_waiting_receive()
    {
        var (_, _, receiver) = await StartAsync();
        var waiting = receiver.ReceiveAsync(5, Deadline).AsTask();

        await InTimeAsync(receiver.DisposeAsync());

        await EndsAsync(waiting);
    }

    [Scenario(Fault.HangsOnClose)]
    public async Task Disposing_of_the_transport_ends_a_waiting_receive_and_loses_nothing()
    {
        var (transport, queue, receiver) = await StartAsync();
        var waiting = receiver.ReceiveAsync(5, Deadline).AsTask();

        await InTimeAsync(transport.DisposeAsync());

        await EndsAsync(waiting);
        var other = await ConnectAsync();
        var sent = Messages(3);
        await SendAsync(other, queue, sent);
        AssertSame(sent, await DrainAsync(await OpenAsync(other, queue), 3));
    }

    [Scenario(Fault.HangsOnClose, Fault.AcksEarly)]
    public async Task Closing_in_the_middle_of_everything_loses_nothing()
    {
        const int Count = 200;
        var keeper = await ConnectAsync();
        var queue = await QueueAsync(keeper);
        var sent = Messages(Count);
        await SendAsync(keeper, queue, sent);
        var acked = new HashSet<string>();
        for (var round = 0; round < 5; round++)
        {
            var transport = await ConnectAsync();
            var receiver = await OpenAsync(transport, queue, Fixture.Lease, prefetch: 20);
            var taken = await TakeAsync(receiver, 20);
            await AckAsync(receiver, [.. taken.Take(10)]);
            acked.UnionWith(taken.Take(10).Select(static one => one.Envelope.Id));
            var waiting = receiver.ReceiveAsync(5, Deadline).AsTask();
            await Task.WhenAll(InTimeAsync(transport.DisposeAsync()), InTimeAsync(receiver.DisposeAsync()));
            await EndsAsync(waiting);
        }

        var rest = await DrainAsync(await OpenAsync(keeper, queue), Count - acked.Count);

        Assert.Equal(50, acked.Count);
        AssertSame(sent.Select(static one => one.Id).Except(acked), rest);
    }

    [Scenario(Fault.HangsOnClose)]
    public async Task A_disposed_transport_refuses_and_does_not_hang()
    {
        var (transport, queue, _) = await StartAsync();
        await InTimeAsync(transport.DisposeAsync());
        var results = new PublishResult[1];

        try
        {
            await InTimeAsync(transport.PublishAsync(new[] { To(queue, Message()) }, results, Deadline));
            Assert.Equal(PublishStatus.NotSent, results[0].Status);
        }
        catch (ObjectDisposedException)
        {
        }

        await Assert.ThrowsAnyAsync<Exception>(() =>
            InTimeAsync(new ValueTask(transport.OpenReceiverAsync(new() { Queue = queue }, Deadline).AsTask())));
    }

    private Task InTimeAsync(ValueTask closing) => closing.AsTask().WaitAsync(Fixture.Patience, Time);

    /// <summary>How it ends is not promised: with an empty list, cancelled, or as disposed of. That it ends is.</summary>
    private async Task EndsAsync(Task<IReadOnlyList<Delivery>> waiting)
    {
        await Task.WhenAny(waiting, waiting).WaitAsync(Fixture.Patience, Time);
        if (waiting.IsFaulted)
        {
            Assert.True(waiting.Exception.InnerException is ObjectDisposedException or TransportException or OperationCanceledException, $"{waiting.Exception}");
        }
    }
}
