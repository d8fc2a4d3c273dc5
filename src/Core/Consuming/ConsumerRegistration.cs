using System.Collections.Immutable;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Serialization;

namespace Postrider.Core.Consuming;

/// <summary>A consumer as registered. The closed generic below is its invoker: no reflection at run time.</summary>
/// <param name="name">Who it is, for people.</param>
/// <param name="messageTypes">The names of what it consumes; none for text and bytes.</param>
/// <param name="options">Its options.</param>
internal abstract class ConsumerRegistration(string name, ImmutableArray<string> messageTypes, ConsumerOptions options)
{
    public string Name { get; } = name;

    public ImmutableArray<string> MessageTypes { get; } = messageTypes;

    /// <summary>Those of its code, and from the start on with what the configuration says of its queue.</summary>
    public ConsumerOptions Options { get; set; } = options;

    public virtual bool IsBatch => false;

    /// <summary>Its queue's place in a worker pool, if it is in one; known from the start on. Queues of a pattern have places of their own.</summary>
    public PoolPlace? Pool { get; set; }

    /// <summary>Its queue is consumed by this process.</summary>
    public bool IsRun { get; set; } = true;

    /// <summary>Set when the consumer is made by name: its queue when the options name none.</summary>
    public required string DefaultQueue { get; init; }

    public string Queue => Options.Queue ?? DefaultQueue;

    /// <summary>It consumes all queues that begin so, as they come and go.</summary>
    public bool IsPattern => QueuePattern.Is(Queue);

    /// <summary>
    /// What is bound to its queue. Text and bytes have no topic of their own: without any they are only sent to the queue. What is bound to the queues of a pattern
    /// is the matter of those who make them.
    /// </summary>
    public ImmutableArray<string> Topics =>
        IsPattern ? [] : Options.Topics.IsDefaultOrEmpty ? MessageTypes : Options.Topics;

    /// <summary>Global middlewares outside, the consumer's own inside them, decoding and the consumer innermost.</summary>
    /// <param name="global">The global middlewares, the outermost first.</param>
    /// <param name="serializers">Read the bodies.</param>
    /// <param name="pool">The place of the queue that it is built for.</param>
    public BuiltConsumer Build(IReadOnlyList<ConsumeMiddleware> global, Serializers serializers, PoolPlace? pool)
    {
        var chain = Invoker(serializers, pool);
        for (var i = Options.Middleware.Length - 1; i >= 0; i--)
        {
            chain = Options.Middleware[i](chain);
        }

        for (var i = global.Count - 1; i >= 0; i--)
        {
            chain = global[i](chain);
        }

        return new(Name, chain, Options.Retry, Options.OnFailed, Options.Transactional ? Options.Isolation : null, Options.HungAfter)
        {
            MessageType = MessageTypes.FirstOrDefault(),
        };
    }

    protected abstract ConsumeDelegate Invoker(Serializers serializers, PoolPlace? pool);
}

internal sealed class ConsumerRegistration<TConsumer, TMessage>(string name, ConsumerOptions options)
    : ConsumerRegistration(name, MessageType<TMessage>.Instance.AllNames, options)
    where TConsumer : class, IConsumer<TMessage>
    where TMessage : notnull
{
    protected override ConsumeDelegate Invoker(Serializers serializers, PoolPlace? pool) => context =>
    {
        var message = serializers.Decode<TMessage>(context.Envelope);
        return context.Services.GetRequiredService<TConsumer>().ConsumeAsync(message, context, context.CancellationToken);
    };
}

internal sealed class DelegateRegistration<TMessage>(
    string name, ConsumerOptions options, Func<TMessage, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume)
    : ConsumerRegistration(name, MessageType<TMessage>.Instance.AllNames, options)
    where TMessage : notnull
{
    protected override ConsumeDelegate Invoker(Serializers serializers, PoolPlace? pool) => context =>
        consume(serializers.Decode<TMessage>(context.Envelope), context, context.CancellationToken);
}

/// <summary>Built once for each queue, so that all its deliveries meet in one batcher.</summary>
internal sealed class BatchRegistration<TMessage>(
    string name, ConsumerOptions options, Func<IServiceProvider, IReadOnlyList<BatchItem<TMessage>>, CancellationToken, ValueTask<Outcome>> consume)
    : ConsumerRegistration(name, MessageType<TMessage>.Instance.AllNames, options)
    where TMessage : notnull
{
    public override bool IsBatch => true;

    protected override ConsumeDelegate Invoker(Serializers serializers, PoolPlace? pool)
    {
        var batcher = new Batcher<TMessage>(Options.Batch!, Options.Concurrency, pool, consume);
        return context => batcher.AddAsync(serializers.Decode<TMessage>(context.Envelope), context);
    }
}
