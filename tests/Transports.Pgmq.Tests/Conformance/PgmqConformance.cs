using Postrider.Testing.Conformance;

namespace Postrider.Transports.Pgmq.Tests.Conformance;

public sealed class PgmqBodies(PgmqFixture fixture) : BodyScenarios(fixture);

public sealed class PgmqBrowsing(PgmqFixture fixture) : BrowsingScenarios(fixture);

public sealed class PgmqClosing(PgmqFixture fixture) : ClosingScenarios(fixture);

public sealed class PgmqDeadLetters(PgmqFixture fixture) : DeadLetterScenarios(fixture);

public sealed class PgmqDelays(PgmqFixture fixture) : DelayScenarios(fixture);

public sealed class PgmqDepths(PgmqFixture fixture) : DepthScenarios(fixture);

public sealed class PgmqDuplicates(PgmqFixture fixture) : DuplicateScenarios(fixture);

public sealed class PgmqEnvelopes(PgmqFixture fixture) : EnvelopeScenarios(fixture);

public sealed class PgmqLeases(PgmqFixture fixture) : LeaseScenarios(fixture);

public sealed class PgmqOutages(PgmqFixture fixture) : OutageScenarios(fixture);

public sealed class PgmqOutagesUnderLoad(PgmqFixture fixture) : OutageUnderLoadScenarios(fixture);

public sealed class PgmqPriorities(PgmqFixture fixture) : PriorityScenarios(fixture);

public sealed class PgmqPublishing(PgmqFixture fixture) : PublishingScenarios(fixture);

public sealed class PgmqReceiving(PgmqFixture fixture) : ReceivingScenarios(fixture);

public sealed class PgmqRedelivery(PgmqFixture fixture) : RedeliveryScenarios(fixture);

public sealed class PgmqRetries(PgmqFixture fixture) : RetryScenarios(fixture);

public sealed class PgmqRouting(PgmqFixture fixture) : RoutingScenarios(fixture);

public sealed class PgmqSettling(PgmqFixture fixture) : SettlingScenarios(fixture);

public sealed class PgmqStopping(PgmqFixture fixture) : StoppingScenarios(fixture);

public sealed class PgmqTopology(PgmqFixture fixture) : TopologyScenarios(fixture);

public sealed class PgmqBus(PgmqFixture fixture) : BusScenarios(fixture);

public sealed class PgmqCompression(PgmqFixture fixture) : CompressionScenarios(fixture);

public sealed class PgmqDeadLetterTools(PgmqFixture fixture) : DeadLetterToolScenarios(fixture);

public sealed class PgmqExpiry(PgmqFixture fixture) : ExpiryScenarios(fixture);

public sealed class PgmqFailures(PgmqFixture fixture) : FailureScenarios(fixture);

public sealed class PgmqFlow(PgmqFixture fixture) : FlowScenarios(fixture);

public sealed class PgmqHandling(PgmqFixture fixture) : HandlingScenarios(fixture);

public sealed class PgmqOrder(PgmqFixture fixture) : OrderScenarios(fixture);

public sealed class PgmqRequests(PgmqFixture fixture) : RequestScenarios(fixture);

public sealed class PgmqBatches(PgmqFixture fixture) : BatchScenarios(fixture);

public sealed class PgmqStats(PgmqFixture fixture) : StatsScenarios(fixture);

public sealed class PgmqRawMessages(PgmqFixture fixture) : RawMessageScenarios(fixture);

public sealed class PgmqShutdown(PgmqFixture fixture) : ShutdownScenarios(fixture);

public sealed class PgmqSuspects(PgmqFixture fixture) : SuspectScenarios(fixture);

public sealed class PgmqTelemetry(PgmqFixture fixture) : TelemetryScenarios(fixture);

public sealed class PgmqTestHost(PgmqFixture fixture) : TestHostScenarios(fixture);

public sealed class PgmqTransactions(PgmqFixture fixture) : TransactionScenarios(fixture);
