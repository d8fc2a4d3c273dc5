using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Proves that the scenarios of state stores find what they are there to find, as <see cref="SuiteProof"/> does for transports.</summary>
[RequiresUnreferencedCode("Scenarios are found by reflection.")]
public static class StateSuiteProof
{
    /// <summary>Every scenario of the classes with each fault that it names.</summary>
    public static IEnumerable<StateScenarioCase> Cases(params IEnumerable<Type> areas) =>
        from area in areas
        from scenario in area.GetMethods().Where(static method => method.IsDefined(typeof(StateScenarioAttribute))).OrderBy(static method => method.Name)
        from fault in scenario.GetCustomAttribute<StateScenarioAttribute>()!.Faults
        select new StateScenarioCase(area, scenario.Name, fault);

    /// <summary>Runs the scenario with the fault, and it must fail: by an assertion, an exception or its time. The fault must have struck.</summary>
    /// <param name="scenario">The scenario and the fault.</param>
    /// <param name="fixture">A fixture of the type that the class takes, for this run alone. A short patience keeps the proof short.</param>
    public static async Task AssertRedAsync(StateScenarioCase scenario, StateStoreFixture fixture)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(fixture);
        fixture.Fault = new(scenario.Fault);
        await fixture.InitializeAsync().ConfigureAwait(false);
        await using var closing = fixture.ConfigureAwait(false);
        var area = (StateScenarios)Activator.CreateInstance(scenario.Area, fixture)!;
        await using var ending = area.ConfigureAwait(false);
        await area.InitializeAsync().ConfigureAwait(false);
        Exception? failure = null;
        try
        {
            var running = (Task)scenario.Area.GetMethod(scenario.Name)!.Invoke(area, null)!;
            using var givenUp = new CancellationTokenSource();
            using var late = area.Deadline.Register(() => givenUp.CancelAfter(fixture.Patience * 2));
            await running.WaitAsync(givenUp.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        Assert.True(failure is not null, $"{scenario} is green: it does not see the fault, which struck {fixture.Fault.Strikes} times.");
        Assert.False(failure.Message.StartsWith("$XunitDynamicSkip$", StringComparison.Ordinal), $"{scenario} was skipped: {failure.Message}");
        Assert.True(fixture.Fault.Strikes > 0, $"{scenario} is red, but the fault never struck: {failure}");
    }
}

/// <summary>A scenario of state stores and a fault that must turn it red.</summary>
/// <param name="Area">The class that brings the scenario to a store.</param>
/// <param name="Name">The scenario's method.</param>
/// <param name="Fault">The fault.</param>
public sealed record StateScenarioCase(Type Area, string Name, StateFault Fault)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Area?.Name}.{Name} × {Fault}";
}
