using BenchmarkDotNet.Attributes;
using Postrider.Core.Consuming;

namespace Postrider.Micro;

/// <summary>A chain of middlewares that only call on.</summary>
public class Middlewares
{
    private readonly InFlight _slot = new();
    private ConsumeDelegate _chain = null!;

    [Params(0, 5, 10)]
    public int Count { get; set; }

    /// <summary>Whether they are async methods, as most are, or pass the call through.</summary>
    [Params(false, true)]
    public bool Async { get; set; }

    [GlobalSetup]
    public void Build()
    {
        _chain = static _ => new(Outcome.Ack);
        for (var i = 0; i < Count; i++)
        {
            var next = _chain;
            _chain = Async ? async context => await next(context) : context => next(context);
        }
    }

    [GlobalCleanup]
    public void Dispose() => _slot.Dispose();

    [Benchmark]
    public ValueTask<Outcome> RunAsync() => _chain(_slot.Context);
}
