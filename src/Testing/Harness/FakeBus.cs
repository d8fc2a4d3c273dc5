using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>A bus without a host, for tests of what publishes: it keeps what it is given, and says that it is stored. Thread-safe.</summary>
/// <param name="time">The clock of the timeline; the system's if null.</param>
public sealed class FakeBus(TimeProvider? time = null) : IMessageBus
{
    private readonly ConcurrentDictionary<(Type, Type), Func<object, object>> _answers = new();
    private readonly Timeline _timeline = new(time ?? TimeProvider.System);

    /// <inheritdoc/>
    public ValueTask<PublishReceipt> PublishAsync<TMessage>(TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        var topic = options?.Topic ?? MessageType<TMessage>.Instance.Name ?? options?.MessageType;
        ArgumentException.ThrowIfNullOrEmpty(topic, "options.Topic"); // text and bytes have none of their own
        return KeepAsync(message, Destination.Topic(topic), options, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<PublishReceipt> SendAsync<TMessage>(
        string queue, TMessage message, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        ArgumentException.ThrowIfNullOrEmpty(queue);
        return KeepAsync(message, Destination.Queue(queue), options, cancellationToken);
    }

    /// <summary>Answers requests of a type from now on. What it throws is what the requester gets.</summary>
    public void Answer<TRequest, TResponse>(Func<TRequest, TResponse> answer)
        where TRequest : notnull
        where TResponse : notnull
    {
        ArgumentNullException.ThrowIfNull(answer);
        _answers[(typeof(TRequest), typeof(TResponse))] = request => answer((TRequest)request);
    }

    /// <inheritdoc/>
    /// <exception cref="MessagingTestException">No answer was set by <see cref="Answer"/>.</exception>
    public async ValueTask<TResponse> RequestAsync<TRequest, TResponse>(
        string queue, TRequest request, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : notnull
        where TResponse : notnull
    {
        await SendAsync(queue, request, options, cancellationToken).ConfigureAwait(false);
        return AnswerTo<TRequest, TResponse>(request);
    }

    /// <inheritdoc/>
    /// <exception cref="MessagingTestException">No answer was set by <see cref="Answer"/>.</exception>
    public async ValueTask<TResponse> RequestAsync<TRequest, TResponse>(
        TRequest request, PublishOptions? options = null, CancellationToken cancellationToken = default)
        where TRequest : notnull
        where TResponse : notnull
    {
        await PublishAsync(request, options, cancellationToken).ConfigureAwait(false);
        return AnswerTo<TRequest, TResponse>(request);
    }

    /// <summary>What was published, sent or requested.</summary>
    /// <param name="where">Which messages; null: all of the type.</param>
    /// <param name="condition">The words of <paramref name="where"/>, for failures. Leave it out.</param>
    public Observed<PublishedMessage<TMessage>> Published<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Observation.Published(_timeline, where, condition);

    /// <summary>Forgets what was published.</summary>
    public void Clear() => _timeline.Clear();

    private TResponse AnswerTo<TRequest, TResponse>(object request) => _answers.TryGetValue((typeof(TRequest), typeof(TResponse)), out var answer)
        ? (TResponse)answer(request)
        : throw new MessagingTestException(
            $"Nobody answers a {typeof(TRequest).Name} with a {typeof(TResponse).Name}: say what the answer is by FakeBus.Answer<{typeof(TRequest).Name}, {typeof(TResponse).Name}>(…).");

    private ValueTask<PublishReceipt> KeepAsync<TMessage>(
        TMessage message, Destination destination, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new();
        var id = options.MessageId ?? MessageIds.New(_timeline.Now);
        var publishing = new Publishing(message, MessageType<TMessage>.Instance.Name ?? options.MessageType, destination, options);
        publishing.End(id, PublishStatus.Stored);
        _timeline.Add(publishing);
        return new(new PublishReceipt(id, PublishStatus.Stored));
    }
}
