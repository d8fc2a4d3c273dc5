using Postrider.Testing.Conformance;

namespace Postrider.Transports.Nats.Tests.Conformance;

public sealed class NatsBodies(NatsFixture fixture) : BodyScenarios(fixture);

public sealed class NatsBrowsing(NatsFixture fixture) : BrowsingScenarios(fixture);

public sealed class NatsClosing(NatsFixture fixture) : ClosingScenarios(fixture);

public sealed class NatsDeadLetters(NatsFixture fixture) : DeadLetterScenarios(fixture);

public sealed class NatsDelays(NatsFixture fixture) : DelayScenarios(fixture);

public sealed class NatsDepths(NatsFixture fixture) : DepthScenarios(fixture);

public sealed class NatsDuplicates(NatsFixture fixture) : DuplicateScenarios(fixture);

public sealed class NatsEnvelopes(NatsFixture fixture) : EnvelopeScenarios(fixture);

public sealed class NatsLeases(NatsFixture fixture) : LeaseScenarios(fixture);

public sealed class NatsOutages(NatsFixture fixture) : OutageScenarios(fixture);

public sealed class NatsOutagesUnderLoad(NatsFixture fixture) : OutageUnderLoadScenarios(fixture);

public sealed class NatsPriorities(NatsFixture fixture) : PriorityScenarios(fixture);

public sealed class NatsPublishing(NatsFixture fixture) : PublishingScenarios(fixture);

public sealed class NatsReceiving(NatsFixture fixture) : ReceivingScenarios(fixture);

public sealed class NatsRedelivery(NatsFixture fixture) : RedeliveryScenarios(fixture);

public sealed class NatsRetries(NatsFixture fixture) : RetryScenarios(fixture);

public sealed class NatsRouting(NatsFixture fixture) : RoutingScenarios(fixture);

public sealed class NatsSettling(NatsFixture fixture) : SettlingScenarios(fixture);

public sealed class NatsStopping(NatsFixture fixture) : StoppingScenarios(fixture);

public sealed class NatsTopology(NatsFixture fixture) : TopologyScenarios(fixture);

public sealed class NatsBus(NatsFixture fixture) : BusScenarios(fixture);

public sealed class NatsCompression(NatsFixture fixture) : CompressionScenarios(fixture);

public sealed class NatsDeadLetterTools(NatsFixture fixture) : DeadLetterToolScenarios(fixture);

public sealed class NatsExpiry(NatsFixture fixture) : ExpiryScenarios(fixture);

public sealed class NatsFailures(NatsFixture fixture) : FailureScenarios(fixture);

public sealed class NatsFlow(NatsFixture fixture) : FlowScenarios(fixture);

public sealed class NatsHandling(NatsFixture fixture) : HandlingScenarios(fixture);

public sealed class NatsOrder(NatsFixture fixture) : OrderScenarios(fixture);

public sealed class NatsRequests(NatsFixture fixture) : RequestScenarios(fixture);

public sealed class NatsBatches(NatsFixture fixture) : BatchScenarios(fixture);

public sealed class NatsStats(NatsFixture fixture) : StatsScenarios(fixture);

public sealed class NatsRawMessages(NatsFixture fixture) : RawMessageScenarios(fixture);

public sealed class NatsShutdown(NatsFixture fixture) : ShutdownScenarios(fixture);

public sealed class NatsSuspects(NatsFixture fixture) : SuspectScenarios(fixture);

public sealed class NatsTelemetry(NatsFixture fixture) : TelemetryScenarios(fixture);

public sealed class NatsTestHost(NatsFixture fixture) : TestHostScenarios(fixture);

public sealed class NatsTransactions(NatsFixture fixture) : TransactionScenarios(fixture);
