using System.Diagnostics;
using System.Diagnostics.Metrics;
using Postrider.Core.Requests;

namespace Postrider.Core.Diagnostics;

/// <summary>
/// Every span, metric and attribute. Names after the OpenTelemetry semantic conventions for messaging, 1.44
/// (https://opentelemetry.io/docs/specs/semconv/messaging/); what is ours is under <c>postrider.</c>
/// Nothing is measured while nobody listens.
/// </summary>
internal sealed partial class Telemetry : IDisposable
{
    private const string SystemName = "messaging.system";
    private const string OperationName = "messaging.operation.name";
    private const string OperationType = "messaging.operation.type";
    private const string DestinationName = "messaging.destination.name";
    private const string MessageId = "messaging.message.id";
    private const string ConversationId = "messaging.message.conversation_id";
    private const string ConsumerGroup = "messaging.consumer.group.name";
    private const string DestinationTemplate = "messaging.destination.template";
    private const string IsTemporary = "messaging.destination.temporary";
    private const string BodySize = "messaging.message.body.size";
    private const string RoutingKey = "messaging.rabbitmq.destination.routing_key";
    private const string DeliveryTag = "messaging.rabbitmq.message.delivery_tag";
    private const string ServerAddress = "server.address";
    private const string ServerPort = "server.port";
    private const string ErrorType = "error.type";
    private const string Reason = "postrider.reason";
    private const string RequestOutcomeName = "postrider.request.outcome";

    private static readonly ActivitySource Source = new(TelemetryOptions.SourceName);
    private static readonly double[] DurationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
    private static readonly double[] LagBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];

    private readonly Meter _meter;
    private readonly TelemetryOptions _options;
    private readonly TimeProvider _time;
    private readonly Counter<long> _sent;
    private readonly Counter<long> _consumed;
    private readonly Histogram<double> _operationDuration;
    private readonly Histogram<double> _processDuration;
    private readonly UpDownCounter<long> _inFlight;
    private readonly Histogram<double> _lag;
    private readonly Counter<long> _restarts;
    private readonly Counter<long> _unroutable;
    private readonly Counter<long> _suppressed;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _deadLetters;
    private readonly Counter<long> _discarded;
    private readonly Counter<long> _redelivered;
    private readonly Counter<long> _reportsFailed;
    private readonly Counter<long> _reportsLost;
    private readonly Counter<long> _observersFailed;
    private readonly Counter<long> _eventsLost;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _answersDropped;
    private readonly Counter<long> _faultsLost;
    private readonly UpDownCounter<long> _hung;

    public Telemetry(IMeterFactory? meters, TimeProvider time, TelemetryOptions? options = null)
    {
        (_time, _options) = (time, options ?? new());
        _meter = meters?.Create(TelemetryOptions.SourceName) ?? new Meter(TelemetryOptions.SourceName);
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBuckets };
        _sent = _meter.CreateCounter<long>("messaging.client.sent.messages", "{message}", "Messages sent to the broker.");
        _consumed = _meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}", "Deliveries handed to a consumer.");
        _operationDuration = _meter.CreateHistogram("messaging.client.operation.duration", "s", "Duration of publishing.", null, advice);
        _processDuration = _meter.CreateHistogram("messaging.process.duration", "s", "Duration of handling.", null, advice);
        _inFlight = _meter.CreateUpDownCounter<long>("postrider.in_flight", "{message}", "Messages that are being handled.");
        _lag = _meter.CreateHistogram(
            "postrider.lag", "s", "From when a message was sent, on the publisher's clock, until it was handled.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = LagBuckets });
        _restarts = _meter.CreateCounter<long>("postrider.consumer.restarts", "{restart}", "Consumers that failed and were started again.");
        _unroutable = _meter.CreateCounter<long>("postrider.unroutable", "{message}", "Messages published to a topic without any queue.");
        _suppressed = _meter.CreateCounter<long>("postrider.suppressed", "{message}", "Messages not published because publishing is switched off.");
        _retries = _meter.CreateCounter<long>("postrider.retries", "{message}", "Deliveries that will be tried again.");
        _deadLetters = _meter.CreateCounter<long>("postrider.dead_lettered", "{message}", "Deliveries moved to a dead-letter queue.");
        _discarded = _meter.CreateCounter<long>("postrider.discarded", "{message}", "Deliveries discarded instead of moved to a dead-letter queue.");
        _redelivered = _meter.CreateCounter<long>("postrider.redelivered", "{message}", "Deliveries of messages that were handed out before without an outcome.");
        _reportsFailed = _meter.CreateCounter<long>("postrider.reports.failed", "{report}", "Exception reporters that threw.");
        _reportsLost = _meter.CreateCounter<long>("postrider.reports.lost", "{report}", "Exceptions not reported because too many were waiting.");
        _observersFailed = _meter.CreateCounter<long>("postrider.observers.failed", "{event}", "Observers that threw.");
        _eventsLost = _meter.CreateCounter<long>("postrider.events.lost", "{event}", "Events that observers were not told because too many were waiting.");
        _lost = _meter.CreateCounter<long>("postrider.settlements.lost", "{message}", "Settlements without effect because the lease was over.");
        _requests = _meter.CreateCounter<long>("postrider.requests", "{request}", "Requests, by what they came to.");
        _answersDropped = _meter.CreateCounter<long>("postrider.answers.dropped", "{message}", "Answers that nobody waits for any more, or had one already.");
        _faultsLost = _meter.CreateCounter<long>("postrider.faults.lost", "{message}", "Requesters that could not be told of a failure.");
        _hung = _meter.CreateUpDownCounter<long>("postrider.handlers.hung", "{handler}", "Handlers that run for longer than their HungAfter.");
    }

    public void Suppressed(string system, PublishContext context) =>
        _suppressed.Add(1, new(SystemName, system), new(DestinationName, context.Destination.Name));

    public void Discarded(string system, string queue, DeadLetterReason reason) =>
        _discarded.Add(1, new(SystemName, system), new(DestinationName, queue), new(Reason, reason.ToWireName()));

    public void Restarting(string system, string queue, Exception error) =>
        _restarts.Add(1, new(SystemName, system), new(DestinationName, queue), new(ErrorType, error.GetType().FullName));

    public void Redelivered(string system, string queue) => _redelivered.Add(1, new(SystemName, system), new(DestinationName, queue));

    public void Requested(string system, string destination, RequestOutcome outcome) => _requests.Add(
        1, new(SystemName, system), new(DestinationName, destination), new(RequestOutcomeName, outcome switch
        {
            RequestOutcome.Answered => "answered",
            RequestOutcome.Faulted => "faulted",
            RequestOutcome.TimedOut => "timed_out",
            _ => "failed",
        }));

    public void AnswerDropped(string system) => _answersDropped.Add(1, new KeyValuePair<string, object?>(SystemName, system));

    public void FaultLost(string system, string queue) => _faultsLost.Add(1, new(SystemName, system), new(DestinationName, queue));

    public void Hung(string system, string queue, int change) => _hung.Add(change, new(SystemName, system), new(DestinationName, queue));

    public void ReportFailed() => _reportsFailed.Add(1);

    public void ReportLost() => _reportsLost.Add(1);

    public void ObserverFailed() => _observersFailed.Add(1);

    public void EventLost() => _eventsLost.Add(1);

    public void Dispose() => _meter.Dispose();
}
