using Postrider.Testing.Conformance;

namespace Postrider.Transports.RabbitMq.Tests.Conformance;

public sealed class RabbitMqBodies(RabbitMqFixture fixture) : BodyScenarios(fixture);

public sealed class RabbitMqBrowsing(RabbitMqFixture fixture) : BrowsingScenarios(fixture);

public sealed class RabbitMqClosing(RabbitMqFixture fixture) : ClosingScenarios(fixture);

public sealed class RabbitMqDeadLetters(RabbitMqFixture fixture) : DeadLetterScenarios(fixture);

public sealed class RabbitMqDelays(RabbitMqFixture fixture) : DelayScenarios(fixture);

public sealed class RabbitMqDepths(RabbitMqFixture fixture) : DepthScenarios(fixture);

public sealed class RabbitMqDuplicates(RabbitMqFixture fixture) : DuplicateScenarios(fixture);

public sealed class RabbitMqEnvelopes(RabbitMqFixture fixture) : EnvelopeScenarios(fixture);

public sealed class RabbitMqLeases(RabbitMqFixture fixture) : LeaseScenarios(fixture);

public sealed class RabbitMqOutages(RabbitMqFixture fixture) : OutageScenarios(fixture);

public sealed class RabbitMqOutagesUnderLoad(RabbitMqFixture fixture) : OutageUnderLoadScenarios(fixture);

public sealed class RabbitMqPriorities(RabbitMqFixture fixture) : PriorityScenarios(fixture);

public sealed class RabbitMqPublishing(RabbitMqFixture fixture) : PublishingScenarios(fixture);

public sealed class RabbitMqReceiving(RabbitMqFixture fixture) : ReceivingScenarios(fixture);

public sealed class RabbitMqRedelivery(RabbitMqFixture fixture) : RedeliveryScenarios(fixture);

public sealed class RabbitMqRetries(RabbitMqFixture fixture) : RetryScenarios(fixture);

public sealed class RabbitMqRouting(RabbitMqFixture fixture) : RoutingScenarios(fixture);

public sealed class RabbitMqSettling(RabbitMqFixture fixture) : SettlingScenarios(fixture);

public sealed class RabbitMqStopping(RabbitMqFixture fixture) : StoppingScenarios(fixture);

public sealed class RabbitMqTopology(RabbitMqFixture fixture) : TopologyScenarios(fixture);

public sealed class RabbitMqBus(RabbitMqFixture fixture) : BusScenarios(fixture);

public sealed class RabbitMqCompression(RabbitMqFixture fixture) : CompressionScenarios(fixture);

public sealed class RabbitMqDeadLetterTools(RabbitMqFixture fixture) : DeadLetterToolScenarios(fixture);

public sealed class RabbitMqExpiry(RabbitMqFixture fixture) : ExpiryScenarios(fixture);

public sealed class RabbitMqFailures(RabbitMqFixture fixture) : FailureScenarios(fixture);

public sealed class RabbitMqFlow(RabbitMqFixture fixture) : FlowScenarios(fixture);

public sealed class RabbitMqHandling(RabbitMqFixture fixture) : HandlingScenarios(fixture);

public sealed class RabbitMqOrder(RabbitMqFixture fixture) : OrderScenarios(fixture);

public sealed class RabbitMqBatches(RabbitMqFixture fixture) : BatchScenarios(fixture);

public sealed class RabbitMqStats(RabbitMqFixture fixture) : StatsScenarios(fixture);

public sealed class RabbitMqRawMessages(RabbitMqFixture fixture) : RawMessageScenarios(fixture);

public sealed class RabbitMqRequests(RabbitMqFixture fixture) : RequestScenarios(fixture);

public sealed class RabbitMqShutdown(RabbitMqFixture fixture) : ShutdownScenarios(fixture);

public sealed class RabbitMqSuspects(RabbitMqFixture fixture) : SuspectScenarios(fixture);

public sealed class RabbitMqTelemetry(RabbitMqFixture fixture) : TelemetryScenarios(fixture);

public sealed class RabbitMqTestHost(RabbitMqFixture fixture) : TestHostScenarios(fixture);

public sealed class RabbitMqTransactions(RabbitMqFixture fixture) : TransactionScenarios(fixture);
