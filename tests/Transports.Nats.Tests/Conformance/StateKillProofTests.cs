using Postrider.Brokers;
using Postrider.Testing.Conformance;

namespace Postrider.Transports.Nats.Tests.Conformance;

/// <summary>The scenarios of state stores that kill a real server can fail.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class StateKillProofTests
{
    public static TheoryData<string> Cases() => new(StateSuiteProof.Cases(typeof(NatsStateOutages)).Select(static one => one.ToString()));

    [Theory]
    [MemberData(nameof(Cases))]
    public Task Is_red(string one)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        return StateSuiteProof.AssertRedAsync(StateSuiteProof.Cases(typeof(NatsStateOutages)).Single(scenario => scenario.ToString() == one), new ImpatientFixture());
    }

    private sealed class ImpatientFixture : NatsStateFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(6);
    }
}
