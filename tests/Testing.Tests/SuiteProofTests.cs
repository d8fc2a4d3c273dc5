using Postrider.Testing.Conformance;

namespace Postrider.Testing.Tests;

/// <summary>The suite itself under test: every scenario must turn red for every fault that it names. That all are green without one is shown beside.</summary>
public sealed class SuiteProofTests
{
    private static readonly SemaphoreSlim AtOnce = new(12);

    [Fact]
    public async Task Every_scenario_turns_red_for_its_faults()
    {
        var cases = SuiteProof.Cases(typeof(SuiteProofTests).Assembly).ToList();
        var failures = await Task.WhenAll(cases.Select(ProveAtOnceAsync));
        // Some faults are seen by the time that things take, and twelve at once keep a machine busy.
        for (var i = 0; i < cases.Count; i++)
        {
            failures[i] = failures[i] is null ? null : await ProveAsync(cases[i]);
        }

        Assert.True(failures.All(static failure => failure is null), string.Join("\n\n", failures.OfType<string>()));
    }

    [Fact]
    public void Every_scenario_names_a_fault_and_every_fault_has_a_scenario()
    {
        var areas = SuiteProof.Areas(typeof(SuiteProofTests).Assembly).ToList();
        var cases = SuiteProof.Cases(typeof(SuiteProofTests).Assembly).ToList();

        Assert.Equal(areas.Sum(static area => SuiteProof.Scenarios(area).Count()), cases.Select(static one => (one.Area, one.Name)).Distinct().Count());
        Assert.Equal(Enum.GetValues<Fault>().Except([Fault.None]), cases.Select(static one => one.Fault).Distinct().Order());
    }

    private static async Task<string?> ProveAtOnceAsync(ScenarioCase scenario)
    {
        await AtOnce.WaitAsync();
        try
        {
            return await Task.Run(() => ProveAsync(scenario));
        }
        finally
        {
            AtOnce.Release();
        }
    }

    private static async Task<string?> ProveAsync(ScenarioCase scenario)
    {
        try
        {
            await SuiteProof.AssertRedAsync(scenario, new ImpatientFixture());
            return null;
        }
        catch (Exception failure)
        {
            return failure.Message;
        }
    }

    private sealed class ImpatientFixture : InMemoryFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(1.5);
    }
}
