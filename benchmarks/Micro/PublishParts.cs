using BenchmarkDotNet.Attributes;
using Postrider.Core.Publishing;
using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>What the publish path is made of, part by part.</summary>
public class PublishParts
{
    private const string Correlation = "0193a1b2-0000-7000-8000-000000000002";
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
    private readonly MessagingOptions _options = new();
    private readonly CancellationTokenSource _timeout = new();

    /// <summary>A message id, with the clock and its text.</summary>
    [Benchmark]
    public string Id() => MessageIds.New(TimeProvider.System.GetUtcNow());

    /// <summary>The same by the runtime, which asks the system for random bytes each time.</summary>
    [Benchmark]
    public string IdByRuntime() => Guid.CreateVersion7(TimeProvider.System.GetUtcNow()).ToString();

    [Benchmark]
    public DateTimeOffset Clock() => TimeProvider.System.GetUtcNow();

    /// <summary>An operation from the pool and back, with its timeout.</summary>
    [Benchmark]
    public void Operation()
    {
        var operation = PublishOperation.Take(1 << 20, TimeProvider.System);
        operation.Begin(Timeout, CancellationToken.None);
        operation.Return();
    }

    /// <summary>The timeout alone.</summary>
    [Benchmark]
    public bool TimeoutOnly()
    {
        _timeout.CancelAfter(Timeout);
        return _timeout.TryReset();
    }

    /// <summary>Name and metadata against the limits.</summary>
    [Benchmark]
    public string? Checks() => Names.WhyIllegalTopic("bench.order") ?? EnvelopeLimits.WhyRefused("correlation id", Correlation, _options);
}
