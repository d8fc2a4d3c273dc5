using Postrider.Brokers;
using Postrider.Testing.Conformance;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>The scenarios that kill a real server can fail. (All others are proven in memory, where it is quick.)</summary>
[Collection("Scenarios that kill a broker")]
public sealed class StateKillProofTests
{
    public static TheoryData<string> All() => new(StateSuiteProof.Cases(typeof(PostgresStateOutages)).Select(static one => one.ToString()));

    [Theory]
    [MemberData(nameof(All))]
    public Task Is_red(string one)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        return StateSuiteProof.AssertRedAsync(StateSuiteProof.Cases(typeof(PostgresStateOutages)).Single(scenario => scenario.ToString() == one), new ImpatientFixture());
    }

    private sealed class ImpatientFixture : PostgresStateFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(6);
    }
}
