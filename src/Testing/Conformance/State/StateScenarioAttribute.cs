using System.Runtime.CompilerServices;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>A scenario of the conformance suite of state stores, and the faults that must turn it red.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class StateScenarioAttribute : FactAttribute
{
    private const int TimeoutMilliseconds = 180_000;

    /// <summary>Names the faults.</summary>
    public StateScenarioAttribute(
        StateFault fault, StateFault second = StateFault.None, StateFault third = StateFault.None,
        [CallerFilePath] string? sourceFilePath = null, [CallerLineNumber] int sourceLineNumber = -1)
        : base(sourceFilePath, sourceLineNumber)
    {
        Timeout = TimeoutMilliseconds;
        Faults = [.. new[] { fault, second, third }.Where(static one => one != StateFault.None)];
    }

    /// <summary>What must turn it red.</summary>
    public IReadOnlyList<StateFault> Faults { get; }
}
