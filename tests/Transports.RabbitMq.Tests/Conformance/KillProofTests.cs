using Postrider.Brokers;
using Postrider.Testing;
using Postrider.Testing.Conformance;

namespace Postrider.Transports.RabbitMq.Tests.Conformance;

/// <summary>
/// The scenarios that kill a real RabbitMQ can fail: with a transport that confirms or settles too early they are red. (All other
/// scenarios and faults are proven in memory, where it is quick.)
/// </summary>
[Collection("Scenarios that kill a broker")]
public sealed class KillProofTests
{
    public static TheoryData<string> Cases() => [.. All().Select(static one => one.ToString())];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Is_red(string one)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await SuiteProof.AssertRedAsync(All().Single(scenario => scenario.ToString() == one), new ImpatientFixture());
    }

    private static IEnumerable<ScenarioCase> All() => SuiteProof.Cases(typeof(KillProofTests).Assembly)
        .Where(static one => one.Area == typeof(RabbitMqOutages) || one.Area == typeof(RabbitMqOutagesUnderLoad))
        .Where(static one => one.Fault is Fault.ConfirmsEarly or Fault.AcksEarly);

    private sealed class ImpatientFixture : RabbitMqFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(6);
    }
}
