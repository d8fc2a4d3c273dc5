using Postrider.Core.Transport;
using Postrider.Publishing;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// One writer at a time, one channel: messages go out in their order, pipelined, and each call waits for its own confirmations. No batching and no
/// timers: a lone message is written at once, by its own caller.
/// </summary>
internal sealed class RabbitMqPublisher : IAsyncDisposable
{
    /// <summary>The most that is on its way; more waits in this process.</summary>
    private const int Window = 10_000;

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly Connections _connections;
    private readonly bool _create;
    private readonly bool _cloudEvents;
    private readonly SemaphoreSlim _window = new(Window);
    private readonly SendQueue<PublishCall, WireMessage> _queue;
    private readonly CancellationTokenSource _stop = new();
    private ConfirmChannel? _channel;
    private int _largest;

    public RabbitMqPublisher(Connections connections, RabbitMqOptions options)
    {
        (_connections, _create, _cloudEvents, _largest) = (connections, options.CreateTopology, options.CloudEvents, options.MaxMessageBytes);
        _queue = new(1, WriteAsync, () => RabbitMqErrors.Map(new ObjectDisposedException(nameof(RabbitMqTransport)), "publish", connections.Where));
    }

    /// <summary>Why a message can never be published, or null.</summary>
    public Exception? WhyRefused(in OutgoingMessage message)
    {
        var (kind, name) = message.Destination;
        var why = kind == DestinationKind.Topic ? Names.WhyIllegalTopic(name) : Names.WhyIllegalQueue(name);
        if (why is not null)
        {
            return new MessagingConfigurationException(why);
        }

        var largest = Volatile.Read(ref _largest);
        if (message.Envelope.Body.Length > largest)
        {
            return TooLarge(message.Envelope.Body.Length, largest, _connections.Where);
        }

        return EnvelopeMapper.WhyUnfit(message.Envelope, _cloudEvents) is { } unfit
            ? new TransportException($"The message '{message.Envelope.Id}' cannot be sent: {unfit}", TransportError.Other)
            : message.Delay > DelayTime.Longest
            ? new TransportException($"The delay {message.Delay} is longer than {DelayTime.Longest}, the longest that RabbitMQ can keep.", TransportError.Other)
            : null;
    }

    public static TransportException TooLarge(int bytes, int limit, string where) => new(
        $"The body has {bytes} bytes; the limit for RabbitMQ at {where} is {limit}. Send a reference to the data, or raise max_message_size on the server and RabbitMqOptions.MaxMessageBytes.",
        TransportError.Other);

    /// <summary>To be filled with messages for exchanges, and sent.</summary>
    public PublishCall Begin() => _queue.Begin();

    /// <summary>Publishes to exchanges; the contract is that of <see cref="ITransport.PublishAsync"/>. Results of other indices stay as they are.</summary>
    /// <remarks>The call is the publisher's again.</remarks>
    public ValueTask SendAsync(PublishCall call, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        _queue.SendAsync(call, results, cancellationToken);

    /// <summary>What is waiting is still sent for a while; then it ends as not sent, or unknown.</summary>
    public async ValueTask DisposeAsync()
    {
        _stop.CancelAfter(Farewell);
        await _queue.DisposeAsync().ConfigureAwait(false);
        if (_channel is { } channel)
        {
            await channel.DisposeAsync().ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private async Task WriteAsync()
    {
        for (var calls = 0; _queue.TryTake(out var call); calls++)
        {
            if (calls == 1)
            {
                // The caller has its own to do, and its trace is not that of others.
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            var count = call.Count;
            for (var i = 0; i < count; i++)
            {
                if (await WhyNotAsync().ConfigureAwait(false) is { } error)
                {
                    _queue.FailAll(call, i, error);
                    break;
                }

                await _channel!.WriteAsync(call, i).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Null when a message can be written now, on a channel that is open and with room in the window.</summary>
    private async ValueTask<TransportException?> WhyNotAsync()
    {
        try
        {
            if (_channel is not { IsOpen: true } && _connections.Publish.Blocked is null)
            {
                await OpenAsync().ConfigureAwait(false);
            }

            if (_connections.Publish.Blocked is { } blocked)
            {
                return new($"Cannot publish on RabbitMQ at {_connections.Where}: it takes nothing, since it is short of resources ({blocked}). Free memory or disk there.", TransportError.Unavailable);
            }

            if (!_window.Wait(0, CancellationToken.None))
            {
                await _window.WaitAsync(_stop.Token).ConfigureAwait(false);
            }

            return null;
        }
        catch (Exception e)
        {
            return _connections.Failed(_stop.IsCancellationRequested ? new ObjectDisposedException(nameof(RabbitMqTransport)) : e, "publish");
        }
    }

    private async ValueTask OpenAsync()
    {
        if (_channel is { } broken)
        {
            if (broken.LargestMessage is { } limit && limit < _largest)
            {
                // The next one is refused before it costs all others their channel.
                Volatile.Write(ref _largest, limit);
            }

            _channel = null;
            await broken.DisposeAsync().ConfigureAwait(false);
        }

        var connection = await _connections.Publish.GetAsync(_stop.Token).ConfigureAwait(false);
        var channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), _stop.Token).ConfigureAwait(false);
        if (_create)
        {
            await RabbitMqTopology.DeclareExchangesAsync(channel).ConfigureAwait(false);
        }

        _channel = new(channel, _connections.Where, _window, _cloudEvents);
    }
}
