using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Proves that the scenarios find what they are there to find: each must turn red for each fault that it names.</summary>
/// <remarks>For test projects, which are not trimmed. A theory over <see cref="Cases"/> with <see cref="AssertRedAsync"/> as its body is all it takes.</remarks>
[RequiresUnreferencedCode("Scenarios are found by reflection.")]
public static class SuiteProof
{
    /// <summary>Every scenario of every area in the assembly with each fault that it names.</summary>
    public static IEnumerable<ScenarioCase> Cases(Assembly assembly) =>
        from area in Areas(assembly)
        from scenario in Scenarios(area)
        from fault in scenario.GetCustomAttribute<ScenarioAttribute>()!.Faults
        select new ScenarioCase(area, scenario.Name, fault);

    /// <summary>The classes of an assembly that bring scenarios to a transport.</summary>
    public static IEnumerable<Type> Areas(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        return assembly.GetTypes().Where(static type => !type.IsAbstract && typeof(Scenarios).IsAssignableFrom(type)).OrderBy(static type => type.Name);
    }

    /// <summary>The scenarios of a class.</summary>
    public static IEnumerable<MethodInfo> Scenarios(Type area)
    {
        ArgumentNullException.ThrowIfNull(area);
        return area.GetMethods().Where(static method => method.IsDefined(typeof(ScenarioAttribute))).OrderBy(static method => method.Name);
    }

    /// <summary>Runs the scenario with the fault, and it must fail: by an assertion, an exception or its time. The fault must have struck.</summary>
    /// <param name="scenario">The scenario and the fault.</param>
    /// <param name="fixture">A fixture of the type that the class takes, for this run alone. A short patience keeps the proof short.</param>
    public static async Task AssertRedAsync(ScenarioCase scenario, TransportFixture fixture)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(fixture);
        fixture.Fault = new FaultSwitch(scenario.Fault);
        var (failure, noBroker) = await RunAsync(scenario, fixture).ConfigureAwait(false);
        Assert.True(noBroker is null, $"{scenario} proves nothing, as its broker did not start: {noBroker}");
        Assert.True(failure is not null, $"{scenario} is green: it does not see the fault, which struck {fixture.Fault.Strikes} times.");
        Assert.False(failure.Message.StartsWith("$XunitDynamicSkip$", StringComparison.Ordinal), $"{scenario} was skipped: {failure.Message}");
        Assert.True(fixture.Fault.Strikes > 0, $"{scenario} is red, but the fault never struck: {failure}");
    }

    /// <summary>Runs the scenario and returns what it threw, or null, and why its broker did not start, if it did not.</summary>
    private static async Task<(Exception? Failure, Exception? NoBroker)> RunAsync(ScenarioCase scenario, TransportFixture fixture)
    {
        await fixture.InitializeAsync().ConfigureAwait(false);
        await using var closing = fixture.ConfigureAwait(false);
        var area = (Scenarios)Activator.CreateInstance(scenario.Area, fixture)!;
        try
        {
            await area.InitializeAsync().ConfigureAwait(false);
            var running = (Task)scenario.Area.GetMethod(scenario.Name)!.Invoke(area, null)!;
            // Its deadline should end it. One that hangs all the same is given up.
            using var givenUp = new CancellationTokenSource();
            using var late = area.Deadline.Register(() => givenUp.CancelAfter(fixture.Patience * 2));
            await running.WaitAsync(givenUp.Token).ConfigureAwait(false);
            return (null, area.BrokerFailure);
        }
        catch (Exception failure)
        {
            return (failure, area.BrokerFailure);
        }
        finally
        {
            await area.DisposeAsync().ConfigureAwait(false);
        }
    }
}

/// <summary>A scenario and a fault that must turn it red.</summary>
/// <param name="Area">The class that brings the scenario to a transport.</param>
/// <param name="Name">The scenario's method.</param>
/// <param name="Fault">The fault.</param>
public sealed record ScenarioCase(Type Area, string Name, Fault Fault)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Area?.Name}.{Name} × {Fault}";
}
