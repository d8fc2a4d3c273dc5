using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>Takes from one queue, over one channel after another. How deliveries are settled is in <see cref="RabbitMqSettler"/>.</summary>
internal sealed class RabbitMqReceiver : IReceiver
{
    private readonly Connections _connections;
    private readonly RabbitMqSettler _settler;
    private readonly ReceiverOptions _options;
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Lock _lock = new();
    private ConsumerChannel? _channel;
    private Task<ConsumerChannel>? _opening;
    private volatile bool _stopped;
    private volatile int _waiting;
    private int _disposed;

    public RabbitMqReceiver(Connections connections, DelayedPublisher publisher, ReceiverOptions options, ConsumerChannel channel)
    {
        (_connections, _options, _channel) = (connections, options, channel);
        _settler = new(publisher, options.Queue);
    }

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (!_stopped)
            {
                var channel = _channel ?? await OpenAsync(cancellationToken).ConfigureAwait(false);
                var window = channel.Fit(max);
                if (channel.Window != 0 && channel.Window != window)
                {
                    await channel.SubscribeAsync(window).WaitAsync(cancellationToken).ConfigureAwait(false);
                }

                if (channel.TryTake(out var first))
                {
                    var taken = Take(channel, first, max);
                    if (taken.Exists(static delivery => delivery.IsSuspect))
                    {
                        // If one of these ends the process, whatever the broker has pushed beyond them would be counted with it.
                        await HandBackAsync(channel, forGood: false).ConfigureAwait(false);
                    }

                    return taken;
                }

                if (_stopped)
                {
                    break;
                }

                if (channel.Failure is { } failure)
                {
                    // Said once; the next call opens another channel.
                    _channel = null;
                    await channel.DisposeAsync().ConfigureAwait(false);
                    throw failure;
                }

                _waiting = window;
                if (channel.Window != 0)
                {
                    await channel.WaitAsync(cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    await channel.SubscribeAsync(window).WaitAsync(cancellationToken).ConfigureAwait(false);
                }
            }

            return [];
        }
        finally
        {
            _waiting = 0;
            _one.Release();
        }
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        var (suspects, channel) = (false, _channel);
        foreach (ref readonly var settlement in batch.Span)
        {
            suspects |= settlement.Kind == SettlementKind.Release && settlement.Delivery.IsSuspect;
            if (settlement.Delivery is not RabbitMqDelivery own || own.Queue != _options.Queue)
            {
                throw new ArgumentException($"The delivery does not come from this receiver of '{_options.Queue}'.");
            }
        }

        if (suspects && channel is not null)
        {
            // What is pushed and not asked for would be counted with the suspect that is kept.
            await HandBackAsync(channel, forGood: false).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (_waiting is > 0 and var window)
            {
                // Somebody asks already.
                await channel.SubscribeAsync(window).WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        await _settler.SettleAsync(batch, results, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        _stopped = true;
        if (_channel is { } channel && Volatile.Read(ref _disposed) == 0)
        {
            await HandBackAsync(channel, forGood: true).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        Task<ConsumerChannel>? opening;
        lock (_lock)
        {
            opening = _opening;
        }

        if (_channel is { } channel)
        {
            await channel.DisposeAsync().ConfigureAwait(false);
        }

        if (opening is not null)
        {
            DisposeWhenOpen(opening);
        }
    }

    /// <summary>For an opening that nobody waits for any more.</summary>
    public static async void DisposeWhenOpen(Task<ConsumerChannel> opening)
    {
        try
        {
            await (await opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It was never opened.
        }
    }

    private static List<Delivery> Take(ConsumerChannel channel, RabbitMqDelivery first, int max)
    {
        var taken = new List<Delivery>(Math.Min(max, 64)) { first };
        while (taken.Count < max && channel.TryTake(out var next))
        {
            taken.Add(next);
        }

        return taken;
    }

    private async Task HandBackAsync(ConsumerChannel channel, bool forGood)
    {
        var left = await channel.UnsubscribeAsync(forGood).ConfigureAwait(false);
        if (left.Count > 0)
        {
            var batch = new Settlement[left.Count];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = Settlement.Release(left[i]);
            }

            await _settler.HandBackAsync(batch).ConfigureAwait(false);
        }
    }

    /// <summary>The wait can be cancelled, the opening goes on: the next call takes what has come of it.</summary>
    private async ValueTask<ConsumerChannel> OpenAsync(CancellationToken cancellationToken)
    {
        Task<ConsumerChannel> opening;
        lock (_lock)
        {
            opening = _opening ??= Task.Run(() => ConsumerChannel.OpenAsync(_connections, _options.Queue, _options.Prefetch), CancellationToken.None);
        }

        try
        {
            _channel = await opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception) when (!opening.IsCompleted)
        {
            throw;
        }
        catch (Exception)
        {
            Forget();
            throw;
        }

        Forget();
        if (Volatile.Read(ref _disposed) != 0)
        {
            await _channel.DisposeAsync().ConfigureAwait(false);
        }

        return _channel;
    }

    private void Forget()
    {
        lock (_lock)
        {
            _opening = null;
        }
    }
}
