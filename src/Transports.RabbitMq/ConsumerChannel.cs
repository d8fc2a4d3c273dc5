using System.Diagnostics;
using System.Globalization;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>One channel of a receiver: subscribes, to each level if there are any, keeps what the broker pushes until it is asked for, and knows when it is over.</summary>
internal sealed partial class ConsumerChannel : IAsyncDisposable
{
    /// <summary>How long a large window stays although a small one would do.</summary>
    private static readonly TimeSpan LongestIdle = TimeSpan.FromSeconds(1);

    /// <summary>What is pushed of each level beyond what may be in hand, at the least.</summary>
    private const int LeastAhead = 16;

    /// <summary>How long a first subscription waits for what is there of each level.</summary>
    private static readonly TimeSpan LongestFill = TimeSpan.FromMilliseconds(250);

    /// <summary>How much is pushed of an ordered queue.</summary>
    private const int LargestOrdered = 128;

    private readonly string _queue;
    private readonly string _doing;
    private readonly Connections _connections;
    private readonly SemaphoreSlim _change = new(1, 1);
    private readonly int _prefetch;
    private readonly Subscription[] _subscriptions;
    private readonly TaskCompletionSource _filled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private uint[]? _ready;
    private ulong _lastToFill;
    private int _first;
    private long _neededAt;
    private readonly bool _keepsOrder;
    private int _tags;
    private volatile bool _ended;
    private volatile TransportException? _failure;

    private ConsumerChannel(IChannel channel, ReceiverOptions options, bool hasLevels, Connections connections)
    {
        (Channel, _queue, _connections, _doing) = (channel, options.Queue, connections, $"receive from '{options.Queue}'");
        (_prefetch, _keepsOrder) = (Math.Min(options.Prefetch, ushort.MaxValue), options.KeepsOrder);
        // The highest first, so that what is pushed first when all of them wait is of the highest.
        _subscriptions = [.. (hasLevels ? Enumerable.Range(Priorities.Lowest, Priorities.Count).Reverse() : [Priorities.Default])
            .Select(level => new Subscription(this, Priorities.SubQueue(_queue, level), level))];
        Unsettled = new();
        Pushed = new(Unsettled, hasLevels ? new(options.LowerPriorityOneIn) : null);
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            Fail(RabbitMqErrors.Closed(reason, _doing, _connections.Where));
            return Task.CompletedTask;
        };
    }

    /// <summary>Why nothing more comes and nothing more can be settled, or null.</summary>
    public TransportException? Failure => _failure;

    public IChannel Channel { get; }

    /// <summary>How much the broker pushes unsettled, of each level if there are any; 0 while nothing is subscribed to.</summary>
    public int Window { get; private set; }

    public UnsettledTags Unsettled { get; }

    public PushedDeliveries Pushed { get; }

    /// <summary>How many messages the broker has pushed that are not settled.</summary>
    public int Held => _failure is null ? Pushed.Count + Unsettled.Taken : 0;

    /// <summary>
    /// Names a subscription. When a channel closes, the broker takes back what is unsettled in the order of these names, and of each in the order in which it had pushed it.
    /// </summary>
    public string NextTag() => string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref _tags):D8}");

    /// <exception cref="TransportException">The queue does not exist, or the broker is away.</exception>
    public static async Task<ConsumerChannel> OpenAsync(Connections connections, ReceiverOptions options)
    {
        try
        {
            var hasLevels = await QueueLevels.ExistAsync(connections, options.Queue, CancellationToken.None).ConfigureAwait(false);
            var connection = await connections.Consume.GetAsync(CancellationToken.None).ConfigureAwait(false);
            var channel = await connection.CreateChannelAsync().ConfigureAwait(false);
            try
            {
                ConsumerChannel opened = new(channel, options, hasLevels, connections);
                var ready = new uint[opened._subscriptions.Length];
                for (var i = 0; i < ready.Length; i++)
                {
                    ready[i] = await opened.ReadyAsync(opened._subscriptions[i].Queue).ConfigureAwait(false);
                }

                opened._ready = hasLevels ? ready : null;
                connections.Open.TryAdd(opened, options.Queue);
                return opened;
            }
            catch
            {
                await channel.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
        catch (Exception e)
        {
            throw connections.Failed(e, $"receive from '{options.Queue}'");
        }
    }

    /// <summary>
    /// How much the broker is to push, when so many more are asked for: as much as the first time, or all that is allowed. A window in between
    /// would be subscribed to anew all the time.
    /// </summary>
    public int Fit(int max)
    {
        if (_keepsOrder)
        {
            // What is on its way to a subscription that is cancelled goes back, which RabbitMQ 3 counts like a crash. So there is but one.
            return Math.Min(_prefetch, LargestOrdered);
        }

        var needed = Unsettled.Taken + max;
        if (_first == 0)
        {
            _first = Math.Min(max, _prefetch);
        }

        if (needed > _first)
        {
            _neededAt = Stopwatch.GetTimestamp();
            return _prefetch;
        }

        return Window > _first && Stopwatch.GetElapsedTime(_neededAt) < LongestIdle ? Window : _first;
    }

    /// <summary>Lets the broker push so much. What was pushed before stays here. Without effect after the end.</summary>
    public Task SubscribeAsync(int window) => InTurnAsync(async () =>
    {
        if (Window == window || _ended || _failure is not null)
        {
            return;
        }

        // AMQP changes the prefetch of a consumer only by another consumer.
        await CancelAsync().ConfigureAwait(false);
        await Channel.BasicQosAsync(0, Pushes(window), global: false).ConfigureAwait(false);
        var fill = Interlocked.Exchange(ref _ready, null);
        _lastToFill = (ulong)(fill?.Sum(ready => Math.Min(ready, Pushes(window))) ?? 0);
        foreach (var subscription in _subscriptions)
        {
            await subscription.BeginAsync().ConfigureAwait(false);
        }

        Window = window;
        if (_lastToFill > 0)
        {
            // Else whose turn it is would be decided among those levels that were pushed first. Some of it may go to others, so the wait ends.
            await _filled.Task.WaitAsync(LongestFill, TimeProvider.System).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _lastToFill = 0;
        }
    });

    /// <summary>Lets the broker push no more, until it is subscribed to again. What was pushed before stays here.</summary>
    public Task PauseAsync() => InTurnAsync(CancelAsync);

    /// <summary>One change of the subscriptions after another. A failure ends the channel.</summary>
    private async Task InTurnAsync(Func<Task> change)
    {
        await _change.WaitAsync().ConfigureAwait(false);
        try
        {
            await change().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Fail(_connections.Failed(e, _doing));
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>
    /// How much of a queue, or of a level, the broker is to push. Of a level it is more than is asked for: if all of the highest level that has messages were in hand, what is
    /// asked for next would be of a lower one, since the next of the highest comes only some time after a settlement.
    /// </summary>
    private ushort Pushes(int window) => (ushort)(_subscriptions.Length == 1 ? window : Math.Min(ushort.MaxValue, window + Math.Max(window, LeastAhead)));

    private async Task CancelAsync()
    {
        if (Window == 0 || _failure is not null)
        {
            return;
        }

        Window = 0;
        foreach (var subscription in _subscriptions)
        {
            await subscription.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The broker has pushed a message.</summary>
    public Task AddAsync(int level, ulong deliveryTag, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        // The body is the client's again when this returns.
        var array = BodyPool.Rent(body.Length);
        body.CopyTo(array);
        var copy = array.AsMemory(0, body.Length);
        RabbitMqDelivery delivery;
        try
        {
            var envelope = EnvelopeReader.Read(exchange, routingKey, properties, copy, out var redeliveries);
            delivery = new(this, _queue, level, envelope, deliveryTag, redeliveries, array);
        }
        catch (Exception e)
        {
            // Not known to happen; but a message that cannot be read must not stay here for ever.
            delivery = new(this, _queue, level, new() { Id = $"amqp:unreadable:{deliveryTag}", Body = copy }, deliveryTag, 0, array)
            {
                Defect = $"Its properties cannot be read: {e.Message}",
            };
        }

        var added = Pushed.TryAdd(delivery);
        if (deliveryTag == _lastToFill)
        {
            _filled.TrySetResult();
        }

        return added || _keepsOrder || _failure is not null
            ? Task.CompletedTask
            : Channel.BasicNackAsync(deliveryTag, multiple: false, requeue: true, CancellationToken.None).AsTask();
    }

    /// <summary>The broker has ended the subscription to the queue or one of its levels.</summary>
    public async Task CancelledAsync(string queue)
    {
        try
        {
            Fail(await NewQueues.ExistAsync(_connections, [queue], CancellationToken.None).ConfigureAwait(false)
                ? new($"RabbitMQ at {_connections.Where} has ended the subscription to '{queue}' and taken its deliveries back: the queue is being deleted, or a "
                    + "delivery was not settled within the server's consumer_timeout. Handle messages quicker, or raise consumer_timeout and RabbitMqOptions.ConsumerTimeout.", TransportError.Timeout)
                : new($"The queue '{queue}' on RabbitMQ at {_connections.Where} has been deleted.", TransportError.QueueNotFound));
        }
        catch (Exception e)
        {
            Fail(_connections.Failed(e, _doing));
        }
    }

    private void Fail(TransportException failure)
    {
        _failure ??= failure;
        Window = 0;
        foreach (var subscription in _subscriptions)
        {
            subscription.End();
        }

        Pushed.Lose();
    }
}
