using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests.Conformance;

[Collection("Scenarios that kill a broker")]
public sealed class KillProofTests
{
    private static readonly Type[] Areas = [typeof(RabbitMqOutages), typeof(RabbitMqOutagesUnderLoad)];

    public static TheoryData<string> Cases() => KillProof.Cases(Areas);

    [Theory]
    [MemberData(nameof(Cases))]
    public Task Is_red(string one) => KillProof.IsRedAsync(one, static () => new ImpatientFixture(), Areas);

    private sealed class ImpatientFixture : RabbitMqFixture
    {
        public override TimeSpan Patience => TimeSpan.FromSeconds(6);
    }
}
