using Postrider.Testing.Conformance;

namespace Postrider.Testing.Tests;

public sealed class InMemoryBodies(InMemoryFixture fixture) : BodyScenarios(fixture);

public sealed class InMemoryBrowsing(InMemoryFixture fixture) : BrowsingScenarios(fixture);

public sealed class InMemoryClosing(InMemoryFixture fixture) : ClosingScenarios(fixture);

public sealed class InMemoryDeadLetters(InMemoryFixture fixture) : DeadLetterScenarios(fixture);

public sealed class InMemoryDelays(InMemoryFixture fixture) : DelayScenarios(fixture);

public sealed class InMemoryDepths(InMemoryFixture fixture) : DepthScenarios(fixture);

public sealed class InMemoryDuplicates(InMemoryFixture fixture) : DuplicateScenarios(fixture);

public sealed class InMemoryEnvelopes(InMemoryFixture fixture) : EnvelopeScenarios(fixture);

public sealed class InMemoryLeases(InMemoryFixture fixture) : LeaseScenarios(fixture);

public sealed class InMemoryOutages(InMemoryFixture fixture) : OutageScenarios(fixture);

public sealed class InMemoryOutagesUnderLoad(InMemoryFixture fixture) : OutageUnderLoadScenarios(fixture);

public sealed class InMemoryPriorities(InMemoryFixture fixture) : PriorityScenarios(fixture);

public sealed class InMemoryPublishing(InMemoryFixture fixture) : PublishingScenarios(fixture);

public sealed class InMemoryReceiving(InMemoryFixture fixture) : ReceivingScenarios(fixture);

public sealed class InMemoryRedelivery(InMemoryFixture fixture) : RedeliveryScenarios(fixture);

public sealed class InMemoryRetries(InMemoryFixture fixture) : RetryScenarios(fixture);

public sealed class InMemoryRouting(InMemoryFixture fixture) : RoutingScenarios(fixture);

public sealed class InMemorySettling(InMemoryFixture fixture) : SettlingScenarios(fixture);

public sealed class InMemoryStopping(InMemoryFixture fixture) : StoppingScenarios(fixture);

public sealed class InMemoryTopology(InMemoryFixture fixture) : TopologyScenarios(fixture);

public sealed class InMemoryBus(InMemoryFixture fixture) : BusScenarios(fixture);

public sealed class InMemoryCompression(InMemoryFixture fixture) : CompressionScenarios(fixture);

public sealed class InMemoryDeadLetterTools(InMemoryFixture fixture) : DeadLetterToolScenarios(fixture);

public sealed class InMemoryExpiry(InMemoryFixture fixture) : ExpiryScenarios(fixture);

public sealed class InMemoryFailures(InMemoryFixture fixture) : FailureScenarios(fixture);

public sealed class InMemoryFlow(InMemoryFixture fixture) : FlowScenarios(fixture);

public sealed class InMemoryHandling(InMemoryFixture fixture) : HandlingScenarios(fixture);

public sealed class InMemoryOrder(InMemoryFixture fixture) : OrderScenarios(fixture);

public sealed class InMemoryBatches(InMemoryFixture fixture) : BatchScenarios(fixture);

public sealed class InMemoryStats(InMemoryFixture fixture) : StatsScenarios(fixture);

public sealed class InMemoryRawMessages(InMemoryFixture fixture) : RawMessageScenarios(fixture);

public sealed class InMemoryRequests(InMemoryFixture fixture) : RequestScenarios(fixture);

public sealed class InMemoryShutdown(InMemoryFixture fixture) : ShutdownScenarios(fixture);

public sealed class InMemorySuspects(InMemoryFixture fixture) : SuspectScenarios(fixture);

public sealed class InMemoryTelemetry(InMemoryFixture fixture) : TelemetryScenarios(fixture);

public sealed class InMemoryTestHost(InMemoryFixture fixture) : TestHostScenarios(fixture);

public sealed class InMemoryTransactions(InMemoryFixture fixture) : TransactionScenarios(fixture);
