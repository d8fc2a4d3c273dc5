using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

/// <summary>A broker with the queue "orders", bound to "orders.#", on a clock that the test advances.</summary>
internal sealed class Bench : IAsyncDisposable
{
    public const string Queue = "orders";
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private Bench()
    {
        Broker = new InMemoryBroker(Time);
        Transport = new InMemoryTransport(Broker);
    }

    public FakeTimeProvider Time { get; } = new();

    public InMemoryBroker Broker { get; }

    public InMemoryTransport Transport { get; }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<Bench> StartAsync()
    {
        var bench = new Bench();
        await bench.DeclareAsync([Queue], [new("orders.#", Queue)]);
        return bench;
    }

    public static Envelope Message(string id, string body = "") => new() { Id = id, Body = System.Text.Encoding.UTF8.GetBytes(body) };

    public static async Task<SettleResult> SettleAsync(IReceiver receiver, Settlement settlement)
    {
        var results = new SettleResult[1];
        await receiver.SettleAsync(new[] { settlement }, results, Token);
        return results[0];
    }

    public static async Task<SettleStatus> RenewAsync(IReceiver receiver, Delivery delivery)
    {
        var results = new SettleResult[1];
        await Assert.IsType<ILeaseRenewal>(receiver, exactMatch: false).RenewAsync(new[] { delivery }, results, Token);
        return results[0].Status;
    }

    /// <summary>Waits for a bounded, real time: a message that does not come fails the test instead of hanging it.</summary>
    public static async Task<T> Soon<T>(ValueTask<T> pending) => await pending.AsTask().WaitAsync(Patience, Token);

    public static async Task<Delivery> NextAsync(IReceiver receiver) => Assert.Single(await Soon(receiver.ReceiveAsync(1, Token)));

    /// <summary>Nothing is visible: a receive that is cancelled claims nothing and would have returned at once what is there.</summary>
    public static async Task NothingThereAsync(IReceiver receiver)
    {
        using var cancel = new CancellationTokenSource();
        var pending = receiver.ReceiveAsync(1, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending.WaitAsync(Patience, Token));
    }

    public ValueTask DeclareAsync(IReadOnlyList<string> queues, IReadOnlyList<Binding> bindings) =>
        Transport.DeclareAsync(new Topology(queues, bindings), Token);

    public ValueTask<IReceiver> OpenAsync(string queue = Queue, TimeSpan? lease = null) =>
        Transport.OpenReceiverAsync(new() { Queue = queue, Lease = lease ?? Lease }, Token);

    public Task<PublishResult> SendAsync(string id, TimeSpan delay = default, string queue = Queue) =>
        PublishAsync(new OutgoingMessage(Destination.Queue(queue), Message(id), delay));

    public async Task<PublishResult> PublishAsync(OutgoingMessage message)
    {
        var results = new PublishResult[1];
        await Transport.PublishAsync(new[] { message }, results, Token);
        return results[0];
    }

    public ValueTask DisposeAsync() => Transport.DisposeAsync();
}
