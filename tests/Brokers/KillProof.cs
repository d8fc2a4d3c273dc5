using Postrider.Testing;
using Postrider.Testing.Conformance;

namespace Postrider.Brokers;

/// <summary>
/// The scenarios that kill a real server can fail: with a transport that confirms or settles too early they are red. (All other scenarios and
/// faults are proven in memory, where it is quick.)
/// </summary>
public static class KillProof
{
    /// <summary>A fault does harm only if the kill comes at the wrong moment, so one green run proves nothing.</summary>
    private const int Tries = 3;

    /// <summary>For a theory over the areas that kill.</summary>
    public static TheoryData<string> Cases(params Type[] areas) => [.. All(areas).Select(static one => one.ToString())];

    /// <summary>The body of that theory.</summary>
    /// <param name="one">One of the cases.</param>
    /// <param name="impatient">Makes a fixture with a patience of some seconds, as what is lost is waited for in vain.</param>
    /// <param name="areas">The same areas.</param>
    public static async Task IsRedAsync(string one, Func<TransportFixture> impatient, params Type[] areas)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        var scenario = All(areas).Single(scenario => scenario.ToString() == one);
        for (var left = Tries - 1; ; left--)
        {
            try
            {
                await SuiteProof.AssertRedAsync(scenario, impatient());
                return;
            }
            catch (Exception e) when (left > 0 && e is Xunit.Sdk.XunitException)
            {
                // The kill met no moment at which the fault does harm.
            }
        }
    }

    private static IEnumerable<ScenarioCase> All(Type[] areas) => SuiteProof.Cases(areas[0].Assembly)
        .Where(one => areas.Contains(one.Area) && one.Fault is Fault.ConfirmsEarly or Fault.AcksEarly);
}
