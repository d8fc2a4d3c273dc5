using Postrider.Testing.Conformance;

namespace Postrider.Testing.Tests;

/// <summary>The suite of state stores itself under test: every scenario must turn red for every fault that it names.</summary>
public sealed class StateSuiteProofTests
{
    private static readonly Type[] Areas = [typeof(InMemoryState), typeof(InMemoryStateOutages)];

    public static TheoryData<string> All() => new(StateSuiteProof.Cases(Areas).Select(static one => one.ToString()));

    [Theory]
    [MemberData(nameof(All))]
    public Task Is_red(string one) => StateSuiteProof.AssertRedAsync(StateSuiteProof.Cases(Areas).Single(scenario => scenario.ToString() == one), new ImpatientFixture());

    [Fact]
    public void Every_fault_has_a_scenario() =>
        Assert.Equal(Enum.GetValues<StateFault>().Except([StateFault.None]), StateSuiteProof.Cases(Areas).Select(static one => one.Fault).Distinct().Order());

    private sealed class ImpatientFixture : InMemoryStateFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(1.5);
    }
}
