using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Pulls from a queue's own streams and from the topics' stream, as much as is asked for. How deliveries are settled is in <see cref="NatsSettler"/>.</summary>
/// <remarks>
/// <para>A pull cannot be taken back, so each lasts for a moment only: half a second at most when nothing comes. Giving up means waiting for its end.</para>
/// <para>A queue with levels is asked level by level first (<c>NatsReceiver.Levels.cs</c>).</para>
/// <para>Several sources may answer one demand. What is more than was asked for waits in the buffer and is handed out first, or handed back.</para>
/// <para>Suspects wait aside until the pulls have ended and the buffer is empty; nothing is pulled meanwhile.</para>
/// </remarks>
internal sealed partial class NatsReceiver : IReceiver, ILeaseRenewal, IPullSink
{
    private static readonly TimeSpan ShortestPull = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPull = TimeSpan.FromMilliseconds(500);

    private readonly Links _links;
    private readonly JetStreamApi _api;
    private readonly Subjects _subjects;
    private readonly Registry _registry;
    private readonly NatsSettler _settler;
    private readonly LeaseKeeper _keeper;
    private readonly DelayPump _pump;
    private readonly ReadySubjects _ready;
    private readonly PriorityTurns _turns;
    private readonly EnvelopeReader _reader = new();
    private readonly Lock _gate = new();
    private readonly LevelBuffer _buffer = new();
    private readonly Queue<NatsDelivery> _suspects = new();
    private readonly Signal _signal = new();
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Timer _late;
    private readonly Action<NatsReceiver> _forget;
    private readonly ILogger _log;
    private readonly string _doing;
    private readonly string _stream;
    private volatile ReceiverSession? _session;
    private Bindings _bindings = Bindings.None;
    private TimeSpan _pull = ShortestPull;
    private volatile bool _stopped;
    private int _disposed;

    public NatsReceiver(
        JetStreamApi api, Subjects subjects, Registry registry, NatsPublisher publisher, ServerClock clock, ReceiverOptions options,
        Action<NatsReceiver> forget, ILogger log)
    {
        (_api, _links, _subjects, _registry, _forget, _log) = (api, api.Links, subjects, registry, forget, log);
        (Queue, Lease, Prefetch) = (options.Queue, options.Lease, options.Prefetch);
        _doing = $"receive from '{options.Queue}'";
        _stream = subjects.StreamOf(options.Queue);
        _ready = new(subjects, options.Queue);
        _turns = new(options.LowerPriorityOneIn);
        (_lowerOneIn, KeepsOrder) = (options.LowerPriorityOneIn, options.KeepsOrder);
        _settler = new(this, api, subjects, publisher, _ready, _stream);
        _keeper = new(this);
        _late = new(static state => ((NatsReceiver)state!)._signal.Set(), this, Timeout.Infinite, Timeout.Infinite);
        _pump = new(api, subjects, publisher, clock, _ready, options.Queue, log);
    }

    public string Queue { get; }

    public TimeSpan Lease { get; }

    public int Prefetch { get; }

    public bool KeepsOrder { get; }

    /// <summary>Checks that the queue is there and begins to move what is due.</summary>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        await SessionAsync(cancellationToken).ConfigureAwait(false);
        _pump.Start();
    }

    private bool HasSuspects
    {
        get
        {
            lock (_gate)
            {
                return _suspects.Count > 0;
            }
        }
    }

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using (cancellationToken.UnsafeRegister(static state => ((NatsReceiver)state!)._signal.Set(), this))
            {
                var asked = false;
                while (!_stopped)
                {
                    if (!asked && !HasSuspects && !cancellationToken.IsCancellationRequested && _session is { IsUsable: true, HasLevels: true } levelled)
                    {
                        asked = true;
                        if (await TakeByTurnsAsync(levelled, max).ConfigureAwait(false) is { } taken)
                        {
                            _pull = ShortestPull;
                            return taken;
                        }
                    }

                    if (Take(max) is { } buffered)
                    {
                        _pull = ShortestPull;
                        return buffered;
                    }

                    if (HasSuspects || cancellationToken.IsCancellationRequested)
                    {
                        await PullsEndAsync().ConfigureAwait(false);
                        if ((Take(max) ?? await TakeSuspectsAsync(max).ConfigureAwait(false)) is { } last)
                        {
                            return last;
                        }

                        cancellationToken.ThrowIfCancellationRequested();
                        continue;
                    }

                    var session = await SessionAsync(cancellationToken).ConfigureAwait(false);
                    if (session.HasLevels && !asked)
                    {
                        continue;
                    }

                    await PullAsync(session, session.HasLevels ? 1 : max).ConfigureAwait(false);
                    await WaitAsync(session).ConfigureAwait(false);
                }
            }

            return [];
        }
        finally
        {
            _one.Release();
        }
    }

    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        foreach (ref readonly var settlement in batch.Span)
        {
            _ = Own(settlement.Delivery);
        }

        return _settler.SettleAsync(batch, results, cancellationToken);
    }

    public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, deliveries.Length);
        foreach (var delivery in deliveries.Span)
        {
            _ = Own(delivery);
        }

        return _settler.RenewAsync(deliveries, results, cancellationToken);
    }

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        _stopped = true;
        if (Volatile.Read(ref _disposed) != 0)
        {
            return;
        }

        _signal.Set();
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _pump.DisposeAsync().ConfigureAwait(false);
            await PullsEndAsync().ConfigureAwait(false);
            if (!KeepsOrder)
            {
                await ReleaseKeptAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _signal.Set();
        await _one.WaitAsync().ConfigureAwait(false);
        _one.Release();
        await _pump.DisposeAsync().ConfigureAwait(false);
        if (_session is { Link.IsOpen: true } session)
        {
            // Messages on their way would wait out their lease with nobody: they are given back instead.
            await PullsEndAsync().ConfigureAwait(false);
            await ReleaseKeptAsync().ConfigureAwait(false);
            await session.CloseAsync().ConfigureAwait(false);
        }

        await _late.DisposeAsync().ConfigureAwait(false);
        await _keeper.DisposeAsync().ConfigureAwait(false);
        _forget(this);
    }

    /// <summary>Whether the delivery is certainly still ours.</summary>
    public bool IsHeld(NatsDelivery delivery) =>
        !ReceiverSession.IsOver(delivery.GrantedAt, Lease) && !ReceiverSession.IsOver(delivery.ToldAt, AckWaitOf(delivery));

    public TimeSpan AckWaitOf(NatsDelivery delivery) => _session is { } session ? session.Of(delivery.Source).AckWait : Lease;

    /// <summary>What was pulled and not asked for, for the lease keeper.</summary>
    public void CopyBufferTo(List<NatsDelivery> list)
    {
        lock (_gate)
        {
            _buffer.CopyTo(list);
            list.AddRange(_suspects);
        }
    }

    /// <summary>The connection to tell the server by what becomes of deliveries.</summary>
    public ValueTask<Link> LinkAsync(CancellationToken cancellationToken) => _links.GetAsync($"settle messages of '{Queue}'", cancellationToken);

    private NatsDelivery Own(Delivery delivery) => delivery is NatsDelivery own && ReferenceEquals(own.Owner, this)
        ? own
        : throw new ArgumentException($"The delivery does not come from this receiver of '{Queue}'.");
}
