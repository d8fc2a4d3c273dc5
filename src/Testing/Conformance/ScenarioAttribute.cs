using System.Runtime.CompilerServices;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>A scenario of the conformance suite, and the faults that must turn it red: a scenario that no fault can fail proves nothing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ScenarioAttribute : FactAttribute
{
    /// <summary>The last resort against a transport that hangs and ignores its token.</summary>
    private const int TimeoutMilliseconds = 180_000;

    /// <summary>Names the faults.</summary>
    public ScenarioAttribute(
        Fault fault,
        Fault second = Fault.None,
        Fault third = Fault.None,
        Fault fourth = Fault.None,
        [CallerFilePath] string? sourceFilePath = null,
        [CallerLineNumber] int sourceLineNumber = -1)
        : base(sourceFilePath, sourceLineNumber)
    {
        Timeout = TimeoutMilliseconds;
        Faults = [.. new[] { fault, second, third, fourth }.Where(static one => one != Fault.None)];
    }

    /// <summary>What must turn it red.</summary>
    public IReadOnlyList<Fault> Faults { get; }
}
