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

                if (channel.Pushed.Take(max) is { } taken)
                {
                    return taken;
                }

                if (channel.Pushed.HasSuspects && await TakeSuspectsAsync(channel, max).ConfigureAwait(false) is { } last)
                {
                    return last;
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

                if (channel.Window != 0)
                {
                    await channel.Pushed.WaitAsync(cancellationToken).ConfigureAwait(false);
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
            _one.Release();
        }
    }

    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        foreach (ref readonly var settlement in batch.Span)
        {
            if (settlement.Delivery is not RabbitMqDelivery own || own.Queue != _options.Queue)
            {
                throw new ArgumentException($"The delivery does not come from this receiver of '{_options.Queue}'.");
            }
        }

        return _settler.SettleAsync(batch, results, leaves: _options.KeepsOrder && _stopped, cancellationToken);
    }

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        _stopped = true;
        if (_channel is { } channel && Volatile.Read(ref _disposed) == 0)
        {
            await EndAsync(channel).WaitAsync(cancellationToken).ConfigureAwait(false);
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
            // With an order its end hands back what is left.
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

    /// <summary>Suspects, when the broker pushes no more and they are all that is left of what it has pushed; until then, the others.</summary>
    private async ValueTask<List<Delivery>?> TakeSuspectsAsync(ConsumerChannel channel, int max)
    {
        await channel.PauseAsync().ConfigureAwait(false);
        if (channel.Pushed.Take(max) is { } others)
        {
            return others;
        }

        var suspects = channel.Pushed.TakeSuspects(max);
        await HandBackAsync(channel).ConfigureAwait(false);
        return suspects;
    }

    private async Task EndAsync(ConsumerChannel channel)
    {
        await channel.EndAsync().ConfigureAwait(false);
        if (!_options.KeepsOrder)
        {
            await HandBackAsync(channel).ConfigureAwait(false);
        }
    }

    private async ValueTask HandBackAsync(ConsumerChannel channel)
    {
        Settlement[] left = [.. Enumerable.Concat(channel.Pushed.Take(int.MaxValue) ?? [], channel.Pushed.TakeSuspects(int.MaxValue) ?? []).Select(Settlement.Release)];
        if (left.Length > 0)
        {
            await _settler.HandBackAsync(left).ConfigureAwait(false);
        }
    }

    /// <summary>The wait can be cancelled, the opening goes on: the next call takes what has come of it.</summary>
    private async ValueTask<ConsumerChannel> OpenAsync(CancellationToken cancellationToken)
    {
        Task<ConsumerChannel> opening;
        lock (_lock)
        {
            opening = _opening ??= Task.Run(() => ConsumerChannel.OpenAsync(_connections, _options), CancellationToken.None);
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
