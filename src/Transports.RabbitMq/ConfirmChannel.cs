using System.Globalization;
using System.Runtime.InteropServices;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Postrider.Transports.RabbitMq;

/// <summary>A channel with confirms, and what is on its way on it. One writer at a time.</summary>
/// <remarks>
/// The client's own tracking would add a header and a good kilobyte of garbage to each message. The broker numbers what it gets in order,
/// so we count along. Every message ends once: confirmed, refused, returned, or unknown when the channel closes.
/// </remarks>
internal sealed class ConfirmChannel : IAsyncDisposable
{
    private const string TooLarge = "larger than configured max size ";

    private readonly IChannel _channel;
    private readonly string _where;
    private readonly SemaphoreSlim _window;
    private readonly EnvelopeMapper _mapper;
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Sent> _sent = [];
    private ulong _oldest = 1;
    private ulong _next = 1;
    private TransportException? _closed;

    /// <param name="channel">Opened with confirms and without tracking.</param>
    /// <param name="where">For messages.</param>
    /// <param name="window">Released for each message that has ended.</param>
    /// <param name="cloudEvents">As for <see cref="EnvelopeMapper"/>.</param>
    public ConfirmChannel(IChannel channel, string where, SemaphoreSlim window, bool cloudEvents)
    {
        (_channel, _where, _window, _mapper) = (channel, where, window, new(cloudEvents));
        channel.BasicAcksAsync += (_, ack) => End(ack.DeliveryTag, ack.Multiple, stored: true);
        channel.BasicNacksAsync += (_, nack) => End(nack.DeliveryTag, nack.Multiple, stored: false);
        channel.BasicReturnAsync += Returned;
        channel.ChannelShutdownAsync += Closed;
    }

    public bool IsOpen => _channel.IsOpen;

    /// <summary>The limit of the server that the channel was closed for, or null.</summary>
    public int? LargestMessage => Limit(_channel.CloseReason?.ReplyText);

    /// <summary>Writes a message; it is ended here if it cannot be. The window has been entered for it.</summary>
    public async ValueTask WriteAsync(PublishCall call, int index)
    {
        ulong number;
        TransportException? closed;
        lock (_lock)
        {
            closed = _closed;
            number = _next;
            if (closed is null)
            {
                _sent.Add(number, new(call, index));
                _next++;
            }
        }

        if (closed is not null)
        {
            call.Finish(call[index], new(PublishStatus.NotSent, closed));
            _window.Release();
            return;
        }

        try
        {
            if (!call.TryWrite(index, _channel, _mapper, out var written))
            {
                Withdraw(number);
                return;
            }

            await written.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever the client throws, it has not put the message into its queue of frames: the broker does not count it.
            if (Withdraw(number))
            {
                var why = RabbitMqErrors.Map(e, "publish", _where);
                call.Finish(call[index], !_channel.IsOpen ? new(PublishStatus.NotSent, ForOthers(why))
                    : new(why.IsTransient ? PublishStatus.NotSent : PublishStatus.Rejected, why));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _channel.AbortAsync().ConfigureAwait(false);
            await _channel.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is gone either way.
        }
    }

    /// <summary>Takes back the number of a message that was not written; it is the newest one, as there is one writer.</summary>
    private bool Withdraw(ulong number)
    {
        lock (_lock)
        {
            if (!_sent.Remove(number))
            {
                return false;
            }

            _next = number;
        }

        _window.Release();
        return true;
    }

    private Task End(ulong number, bool multiple, bool stored)
    {
        lock (_lock)
        {
            for (var one = multiple ? _oldest : number; one <= number; one++)
            {
                if (_sent.Remove(one, out var sent))
                {
                    Finish(sent, stored);
                }
            }

            if (multiple)
            {
                _oldest = Math.Max(_oldest, number + 1);
            }

            while (_oldest < _next && !_sent.ContainsKey(_oldest))
            {
                _oldest++;
            }
        }

        return Task.CompletedTask;
    }

    private void Finish(in Sent sent, bool stored)
    {
        ref readonly var message = ref sent.Call[sent.Index];
        sent.Call.Finish(message, stored && !sent.Returned ? new(PublishStatus.Stored)
            : sent.Returned ? new(PublishStatus.Unroutable, Unroutable(message))
            // It may be stored in one queue of several, or have been stored and not yet known to be.
            : new(PublishStatus.Unknown, new TransportException(
                $"Cannot publish on RabbitMQ at {_where}: it refuses the message for the time being (its queue has no majority, is full, or ends). It may be stored in part.",
                TransportError.Unavailable)));
        _window.Release();
    }

    private TransportException Unroutable(in WireMessage message) => new(
        message.Exchange == RabbitMqTopology.Topics
            ? $"No queue on RabbitMQ at {_where} is bound to the topic '{message.RoutingKey}'."
            : $"There is no queue '{message.RoutingKey}' on RabbitMQ at {_where}. Declare it, or start its consumer first.",
        TransportError.QueueNotFound);

    /// <summary>
    /// A returned message has no number. It comes before its own confirmation, and the oldest that is like it must be the one: another of
    /// the same id and address would be returned too.
    /// </summary>
    private Task Returned(object sender, BasicReturnEventArgs returned)
    {
        var id = EnvelopeReader.Id(returned.BasicProperties);
        lock (_lock)
        {
            for (var number = _oldest; number < _next; number++)
            {
                ref var sent = ref CollectionsMarshal.GetValueRefOrNullRef(_sent, number);
                if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref sent) || sent.Returned)
                {
                    continue;
                }

                ref readonly var message = ref sent.Call[sent.Index];
                if (message.RoutingKey == returned.RoutingKey && message.Exchange == returned.Exchange && message.Envelope.Id == id)
                {
                    sent = sent with { Returned = true };
                    break;
                }
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>What was on its way is unknown, except what the broker closed the channel for.</summary>
    private Task Closed(object sender, ShutdownEventArgs reason)
    {
        var why = RabbitMqErrors.Closed(reason, "publish", _where);
        var others = ForOthers(why);
        var limit = LargestMessage;
        lock (_lock)
        {
            _closed = others;
            foreach (var (_, sent) in _sent)
            {
                ref readonly var message = ref sent.Call[sent.Index];
                var length = message.Envelope.Body.Length;
                sent.Call.Finish(message, length > limit
                    ? new(PublishStatus.Rejected, RabbitMqPublisher.TooLarge(length, limit.Value, _where))
                    : new(PublishStatus.Unknown, others));
                _window.Release();
            }

            _sent.Clear();
        }

        return Task.CompletedTask;
    }

    /// <summary>The other messages of a channel have nothing to do with the refusal of one; they may well succeed on the next channel.</summary>
    private static TransportException ForOthers(TransportException why) =>
        why.IsTransient || why.IsFatal ? why : new(why.Message, TransportError.Unavailable, why.InnerException);

    private static int? Limit(string? text)
    {
        var at = text?.IndexOf(TooLarge, StringComparison.Ordinal) ?? -1;
        if (at < 0)
        {
            return null;
        }

        var number = text.AsSpan(at + TooLarge.Length).Trim();
        var end = number.IndexOfAnyExceptInRange('0', '9');
        return int.TryParse(end < 0 ? number : number[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }

    private readonly record struct Sent(PublishCall Call, int Index, bool Returned = false);
}
