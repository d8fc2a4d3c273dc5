using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>The base of all scenarios: connections that are closed at the end, names of their own, and waiting with an end.</summary>
public abstract partial class Scenarios : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly CancellationTokenSource _deadline;

    private protected Scenarios(TransportFixture fixture)
    {
        Fixture = fixture;
        // Each wait inside has its own, shorter end.
        _deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        _deadline.CancelAfter(fixture.Patience * 6);
    }

    /// <summary>The transport's fixture.</summary>
    protected TransportFixture Fixture { get; }

    /// <summary>The end of the scenario.</summary>
    internal CancellationToken Deadline => _deadline.Token;

    /// <summary>Why the broker of the scenario's own did not start, if it did not.</summary>
    internal Exception? BrokerFailure { get; private set; }

    private protected TimeProvider Time => Fixture.Time;

    /// <summary>A lease that no scenario waits out.</summary>
    private protected TimeSpan LongLease => Fixture.Patience * 10;

    /// <summary>Skips the scenario where there is no broker, and fails it where there must be one.</summary>
    public ValueTask InitializeAsync()
    {
        if (Fixture.WhyNoBroker is { } why)
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", $"no broker: {why}");
            Assert.Skip($"no broker: {why}");
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Closes what the scenario opened. How closing itself goes is the subject of scenarios of its own, so it cannot fail here.</summary>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _deadline.CancelAsync().ConfigureAwait(false);
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            try
            {
                await _owned[i].DisposeAsync().AsTask().WaitAsync(Fixture.Patience, Time).ConfigureAwait(false);
            }
            catch (Exception)
            {
            }
        }

        _deadline.Dispose();
    }

    /// <summary>Whatever is added is disposed of at the end, the last first.</summary>
    private protected T Own<T>(T resource)
        where T : IAsyncDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    /// <summary>A transport of its own on the shared broker.</summary>
    private protected async ValueTask<ITransport> ConnectAsync() =>
        Own(Fixture.Fault.Apply(await Fixture.ConnectAsync(Deadline).ConfigureAwait(false)));

    private protected async ValueTask<ITransport> ConnectAsync(IBrokerUnderTest broker) =>
        Own(Fixture.Fault.Apply(await broker.ConnectAsync(Deadline).ConfigureAwait(false)));

    /// <summary>A running broker that the scenario may kill.</summary>
    private protected async ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync()
    {
        Assert.SkipUnless(Fixture.CanKillBroker, "The fixture has no broker of its own to kill.");
        IBrokerUnderTest? broker = null;
        await OutOfTimeAsync(async () => broker = await Fixture.StartPrivateBrokerAsync(Deadline).ConfigureAwait(false)).ConfigureAwait(false);
        return Own(broker!);
    }

    private protected Task StartAgainAsync(IBrokerUnderTest broker) => OutOfTimeAsync(() => broker.StartAsync(Deadline).AsTask());

    /// <summary>How long a broker takes to start says nothing of a transport, so the time of the scenario begins again after it.</summary>
    private async Task OutOfTimeAsync(Func<Task> start)
    {
        _deadline.CancelAfter(TimeSpan.FromMinutes(4));
        try
        {
            await start().ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            BrokerFailure = failure;
            throw;
        }

        _deadline.CancelAfter(Fixture.Patience * 6);
    }

    private protected static string NewName() => $"s{Guid.NewGuid():N}"[..17];

    /// <summary>
    /// A topic whose first word no other test has. A queue whose depth is asserted needs such a one: where the broker's filters are wider than patterns (NATS 2.9: the
    /// last word is any), what others publish to topics of one word counts until the receiver has passed over it.
    /// </summary>
    private protected static string NewTopic() => $"{NewName()}.placed";

    /// <summary>A new queue, bound to the patterns.</summary>
    private protected async ValueTask<string> QueueAsync(ITransport transport, params string[] patterns)
    {
        var queue = NewName();
        await DeclareAsync(transport, queue, patterns).ConfigureAwait(false);
        return queue;
    }

    private protected async ValueTask DeclareAsync(ITransport transport, string queue, params string[] patterns) =>
        await transport.DeclareAsync(new([queue], [.. patterns.Select(pattern => new Binding(pattern, queue))]), Deadline)
            .AsTask().WaitAsync(Fixture.Patience, Time).ConfigureAwait(false);

    private protected async ValueTask<IReceiver> OpenAsync(ITransport transport, string queue, TimeSpan? lease = null, int prefetch = 100, int lowerOneIn = 10)
    {
        var options = new ReceiverOptions { Queue = queue, Lease = lease ?? LongLease, Prefetch = prefetch, LowerPriorityOneIn = lowerOneIn };
        return Own(await transport.OpenReceiverAsync(options, Deadline).AsTask().WaitAsync(Fixture.Patience, Time).ConfigureAwait(false));
    }

    /// <summary>What most scenarios begin with: a transport, a new queue, and a receiver on it.</summary>
    private protected async ValueTask<(ITransport Transport, string Queue, IReceiver Receiver)> StartAsync(TimeSpan? lease = null)
    {
        var transport = await ConnectAsync().ConfigureAwait(false);
        var queue = await QueueAsync(transport).ConfigureAwait(false);
        return (transport, queue, await OpenAsync(transport, queue, lease).ConfigureAwait(false));
    }
}
