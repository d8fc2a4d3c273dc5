using Postrider.Core.Serialization;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>What goes wrong in a <see cref="MessagingTestHost"/>: the next so many, and at random what <see cref="ChaosOptions"/> say. Thread-safe.</summary>
/// <remarks>
/// What is struck at random depends on the seed and on a message's place in the run (the third <c>orders.placed</c> of the test, the first
/// <c>invoices.requested</c> that handling it published), not on time, threads or ids. So a test that publishes in the same order sees the same faults.
/// </remarks>
public sealed class Chaos
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _failingPublishes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Count, Exception Exception)> _failingHandlings = new(StringComparer.Ordinal);

    internal Chaos(ChaosOptions? options, Timeline timeline)
    {
        Seed = options?.Seed ?? Random.Shared.Next();
        Strikes = options is null ? null : new(options, Seed, timeline);
    }

    /// <summary>Decides what is struck at random.</summary>
    public int Seed { get; }

    /// <summary>What happens at random; null: nothing.</summary>
    internal RandomStrikes? Strikes { get; }

    /// <summary>The next publishes and sends of a type fail with a <see cref="PublishException"/>; nothing is stored.</summary>
    /// <exception cref="MessagingConfigurationException">It is text or bytes, which have no name.</exception>
    public void FailNextPublishes<TMessage>(int count = 1)
        where TMessage : notnull
    {
        lock (_gate)
        {
            _failingPublishes[NameOf<TMessage>()] = count;
        }
    }

    /// <summary>The next handlings of a type fail before the consumer is reached.</summary>
    /// <param name="count">How many.</param>
    /// <param name="exception">What they fail from, for the consumer's <see cref="RetryPolicy"/> to judge; null: a <see cref="ChaosException"/>.</param>
    /// <exception cref="MessagingConfigurationException">It is text or bytes, which have no name.</exception>
    public void FailNextHandlings<TMessage>(int count = 1, Exception? exception = null)
        where TMessage : notnull
    {
        lock (_gate)
        {
            _failingHandlings[NameOf<TMessage>()] = (count, exception ?? new ChaosException("This handling fails because the test wants it so."));
        }
    }

    internal void ThrowIfPublishFails(PublishContext context)
    {
        lock (_gate)
        {
            if (context.MessageType is { } type && _failingPublishes.GetValueOrDefault(type) is > 0 and var left)
            {
                _failingPublishes[type] = left - 1;
                throw new PublishException(
                    "This publish fails because the test wants it so.", context.Options.MessageId ?? Guid.CreateVersion7().ToString(), PublishStatus.NotSent);
            }
        }
    }

    internal void ThrowIfHandlingFails(string? type)
    {
        lock (_gate)
        {
            if (type is not null && _failingHandlings.GetValueOrDefault(type) is { Count: > 0 } failing)
            {
                _failingHandlings[type] = failing with { Count = failing.Count - 1 };
                throw failing.Exception;
            }
        }
    }

    private static string NameOf<TMessage>()
        where TMessage : notnull =>
        MessageType<TMessage>.Instance.Name ?? throw new MessagingConfigurationException("Text and bytes have no type that could be told to fail.");
}
