using System.Collections.Concurrent;
using System.Collections.Immutable;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>Publishes topics that are mapped to exchanges of others (<see cref="RabbitMqOptions.MapTopic"/>), and hands on all other messages.</summary>
/// <remarks>
/// The broker closes a channel when a message is for an exchange that does not exist, or that the account may not write to. So these have a channel of their own,
/// and each exchange is asked for before the first message. It is asked for again after anything went wrong: it may be gone.
/// </remarks>
internal sealed class MappedTopics(ImmutableSortedDictionary<string, ExchangeAddress> topics, Connections connections, RabbitMqOptions options, DelayedPublisher others)
    : IAsyncDisposable
{
    private readonly RabbitMqPublisher _publisher = new(connections, options with { CreateTopology = false });

    /// <summary>Whether each is there, or why not; who asks at the same time shares the answer. What is not there is asked for again.</summary>
    private readonly ConcurrentDictionary<string, Task<TransportException?>> _exchanges = new(StringComparer.Ordinal);

    /// <summary>As <see cref="ITransport.PublishAsync"/>.</summary>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        foreach (ref readonly var message in batch.Span)
        {
            if (Find(message) is not null)
            {
                return SplitAsync(batch, results, cancellationToken);
            }
        }

        return others.PublishAsync(batch, default, results, cancellationToken);
    }

    public ValueTask DisposeAsync() => _publisher.DisposeAsync();

    private ExchangeAddress? Find(in OutgoingMessage message) =>
        message.Destination.Kind == DestinationKind.Topic ? topics.GetValueOrDefault(message.Destination.Name) : null;

    private async ValueTask SplitAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var call = _publisher.Begin();
        var (sent, left) = (new List<int>(batch.Length), new List<int>());
        for (var i = 0; i < batch.Length; i++)
        {
            var message = batch.Span[i];
            if (Find(message) is not { } address)
            {
                left.Add(i);
            }
            else if (await WhyNotAsync(message, address, cancellationToken).ConfigureAwait(false) is { } result)
            {
                results.Span[i] = result;
            }
            else
            {
                call.Add(new(address.Exchange!, address.RoutingKey, message.Envelope, i) { Headers = address.Headers });
                sent.Add(i);
            }
        }

        await _publisher.SendAsync(call, results, cancellationToken).ConfigureAwait(false);
        foreach (var i in sent)
        {
            results.Span[i] = Explain(results.Span[i], batch.Span[i].Destination.Name, Find(batch.Span[i])!);
        }

        if (left.Count > 0)
        {
            var rest = new PublishResult[left.Count];
            await others.PublishAsync(left.Select(i => batch.Span[i]).ToArray(), default, rest, cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < rest.Length; i++)
            {
                results.Span[left[i]] = rest[i];
            }
        }
    }

    /// <summary>The result if it cannot be published, or null.</summary>
    private async ValueTask<PublishResult?> WhyNotAsync(OutgoingMessage message, ExchangeAddress address, CancellationToken cancellationToken)
    {
        var topic = message.Destination.Name;
        if (_publisher.WhyRefused(message) is { } refusal)
        {
            return new(PublishStatus.Rejected, refusal);
        }

        if (message.Delay > TimeSpan.Zero)
        {
            return Rejected(topic, address, "with a delay: messages wait in front of a queue of Postrider's, and there is none. Publish it when it is due");
        }

        return address.Exchange is { Length: > 0 } exchange ? await LookAsync(topic, address, exchange, cancellationToken).ConfigureAwait(false) : null;
    }

    private async ValueTask<PublishResult?> LookAsync(string topic, ExchangeAddress address, string exchange, CancellationToken cancellationToken)
    {
        var looking = _exchanges.GetOrAdd(exchange, LookAsync);
        try
        {
            if (await looking.WaitAsync(cancellationToken).ConfigureAwait(false) is not { } error)
            {
                return null;
            }

            _exchanges.TryRemove(KeyValuePair.Create(exchange, looking));
            return error.Message.Contains("no exchange", StringComparison.Ordinal)
                ? Rejected(topic, address, "there is no such exchange. Declare it, or correct the mapping", error.InnerException)
                : new(PublishStatus.NotSent, error);
        }
        catch (OperationCanceledException e)
        {
            return new(PublishStatus.NotSent, e);
        }
    }

    private async Task<TransportException?> LookAsync(string exchange)
    {
        try
        {
            return await connections.WithChannelAsync<TransportException?>(
                "publish",
                async channel =>
                {
                    await channel.ExchangeDeclarePassiveAsync(exchange).ConfigureAwait(false);
                    return null;
                },
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            return connections.Failed(e, "publish");
        }
    }

    private PublishResult Explain(in PublishResult result, string topic, ExchangeAddress address)
    {
        if (result.Status is PublishStatus.Unknown or PublishStatus.NotSent)
        {
            _exchanges.TryRemove(address.Exchange!, out _);
        }

        return result switch
        {
            { Status: PublishStatus.Unroutable } => address.Exchange is { Length: > 0 }
                ? new(PublishStatus.Unroutable, Error(topic, address, "it leads the message to no queue. Bind one", null, TransportError.QueueNotFound))
                : Rejected(topic, address, "there is no such queue. Declare it, or correct the mapping"),
            // The broker says which exchange it closed the channel for. The messages for others have nothing to do with that.
            { Error: TransportException { Reason: TransportError.CredentialsRefused } e } when e.Message.Contains("exchange '", StringComparison.Ordinal) =>
                e.Message.Contains($"exchange '{address.Exchange}'", StringComparison.Ordinal)
                    ? Rejected(topic, address, "the account may not publish there. Grant it the right to write, or correct the mapping", e.InnerException)
                    : new(result.Status, new TransportException(e.Message, TransportError.Unavailable, e)),
            _ => result,
        };
    }

    private PublishResult Rejected(string topic, ExchangeAddress address, string why, Exception? error = null) =>
        new(PublishStatus.Rejected, Error(topic, address, why, error, TransportError.Other));

    private TransportException Error(string topic, ExchangeAddress address, string why, Exception? error, TransportError reason) =>
        new($"Cannot publish the topic '{topic}', which is mapped to {address} on RabbitMQ at {connections.Where}: {why}.", reason, error);
}
