using System.Diagnostics;
using System.Diagnostics.Metrics;
using Postrider.Core.Publishing;
using Postrider.Core.Requests;
using Postrider.Core.Transport;

namespace Postrider.Core.Diagnostics;

/// <summary>
/// Every span, metric and attribute. Names after the OpenTelemetry semantic conventions for messaging, 1.44
/// (https://opentelemetry.io/docs/specs/semconv/messaging/); what is ours is under <c>postrider.</c>
/// Nothing is measured while nobody listens.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    public const string Name = "Postrider";

    private const string System = "messaging.system";
    private const string OperationName = "messaging.operation.name";
    private const string OperationType = "messaging.operation.type";
    private const string DestinationName = "messaging.destination.name";
    private const string MessageId = "messaging.message.id";
    private const string ConversationId = "messaging.message.conversation_id";
    private const string ConsumerGroup = "messaging.consumer.group.name";
    private const string ErrorType = "error.type";
    private const string Reason = "postrider.reason";
    private const string RequestOutcomeName = "postrider.request.outcome";

    private static readonly ActivitySource Source = new(Name);
    private static readonly double[] DurationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private readonly Meter _meter;
    private readonly TimeProvider _time;
    private readonly Counter<long> _sent;
    private readonly Counter<long> _consumed;
    private readonly Histogram<double> _operationDuration;
    private readonly Histogram<double> _processDuration;
    private readonly Counter<long> _unroutable;
    private readonly Counter<long> _suppressed;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _deadLetters;
    private readonly Counter<long> _discarded;
    private readonly Counter<long> _redelivered;
    private readonly Counter<long> _reportsFailed;
    private readonly Counter<long> _reportsLost;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _answersDropped;
    private readonly Counter<long> _faultsLost;
    private readonly UpDownCounter<long> _hung;

    public Telemetry(IMeterFactory? meters, TimeProvider time)
    {
        _time = time;
        _meter = meters?.Create(Name) ?? new Meter(Name);
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBuckets };
        _sent = _meter.CreateCounter<long>("messaging.client.sent.messages", "{message}", "Messages sent to the broker.");
        _consumed = _meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}", "Deliveries handed to a consumer.");
        _operationDuration = _meter.CreateHistogram("messaging.client.operation.duration", "s", "Duration of publishing.", null, advice);
        _processDuration = _meter.CreateHistogram("messaging.process.duration", "s", "Duration of handling.", null, advice);
        _unroutable = _meter.CreateCounter<long>("postrider.unroutable", "{message}", "Messages published to a topic without any queue.");
        _suppressed = _meter.CreateCounter<long>("postrider.suppressed", "{message}", "Messages not published because publishing is switched off.");
        _retries = _meter.CreateCounter<long>("postrider.retries", "{message}", "Deliveries that will be tried again.");
        _deadLetters = _meter.CreateCounter<long>("postrider.dead_lettered", "{message}", "Deliveries moved to a dead-letter queue.");
        _discarded = _meter.CreateCounter<long>("postrider.discarded", "{message}", "Deliveries discarded instead of moved to a dead-letter queue.");
        _redelivered = _meter.CreateCounter<long>("postrider.redelivered", "{message}", "Deliveries of messages that were handed out before without an outcome.");
        _reportsFailed = _meter.CreateCounter<long>("postrider.reports.failed", "{report}", "Exception reporters that threw.");
        _reportsLost = _meter.CreateCounter<long>("postrider.reports.lost", "{report}", "Exceptions not reported because too many were waiting.");
        _lost = _meter.CreateCounter<long>("postrider.settlements.lost", "{message}", "Settlements without effect because the lease was over.");
        _requests = _meter.CreateCounter<long>("postrider.requests", "{request}", "Requests, by what they came to.");
        _answersDropped = _meter.CreateCounter<long>("postrider.answers.dropped", "{message}", "Answers that nobody waits for any more, or had one already.");
        _faultsLost = _meter.CreateCounter<long>("postrider.faults.lost", "{message}", "Requesters that could not be told of a failure.");
        _hung = _meter.CreateUpDownCounter<long>("postrider.handlers.hung", "{handler}", "Handlers that run for longer than their HungAfter.");
    }

    public readonly record struct Operation(Activity? Activity, long Started, string System);

    /// <summary>Starts the span and writes the trace context that travels: the span's, or else the caller's.</summary>
    public Operation BeginPublish(string system, PublishContext context, string id, string? correlationId, PublishOperation carrier)
    {
        Activity? activity = null;
        if (Source.HasListeners())
        {
            var operation = PublishName(context);
            activity = Source.CreateActivity($"{operation} {context.Destination.Name}", ActivityKind.Producer);
            activity?.SetTag(System, system).SetTag(OperationName, operation).SetTag(OperationType, "send")
                .SetTag(DestinationName, context.Destination.Name).SetTag(MessageId, id);
            if (correlationId is not null)
            {
                activity?.SetTag(ConversationId, correlationId);
            }

            activity?.Start();
        }

        if ((activity ?? Activity.Current) is { } current)
        {
            DistributedContextPropagator.Current.Inject(current, carrier, Inject);
        }

        return new(activity, _sent.Enabled || _operationDuration.Enabled ? _time.GetTimestamp() : 0, system);
    }

    public void EndPublish(Operation operation, PublishContext context, PublishStatus outcome, Exception? error)
    {
        var failed = outcome is not (PublishStatus.Stored or PublishStatus.Duplicate or PublishStatus.Unroutable);
        var errorType = failed ? error?.GetType().FullName ?? outcome.ToString() : null;
        if (outcome == PublishStatus.Unroutable && _unroutable.Enabled)
        {
            _unroutable.Add(1, new(System, operation.System), new(DestinationName, context.Destination.Name));
        }

        if (operation.Started != 0)
        {
            var tags = new TagList
            {
                { OperationName, PublishName(context) }, { OperationType, "send" }, { System, operation.System }, { DestinationName, context.Destination.Name },
            };
            if (errorType is not null)
            {
                tags.Add(ErrorType, errorType);
            }

            _sent.Add(1, tags);
            _operationDuration.Record(_time.GetElapsedTime(operation.Started).TotalSeconds, tags);
        }

        End(operation.Activity, errorType);
    }

    public void Suppressed(string system, PublishContext context) =>
        _suppressed.Add(1, new(System, system), new(DestinationName, context.Destination.Name));

    /// <summary>Starts the span of a handler run, as a child of the publish and linked to it.</summary>
    public Operation BeginProcess(string system, string queue, Envelope envelope)
    {
        Activity? activity = null;
        if (Source.HasListeners())
        {
            ActivityLink[]? links = null;
            if (ActivityContext.TryParse(envelope.TraceParent, envelope.TraceState, isRemote: true, out var parent))
            {
                links = [new ActivityLink(parent)];
            }

            activity = Source.CreateActivity($"process {queue}", ActivityKind.Consumer, parent, tags: null, links);
            activity?.SetTag(System, system).SetTag(OperationName, "process").SetTag(OperationType, "process")
                .SetTag(DestinationName, queue).SetTag(ConsumerGroup, queue).SetTag(MessageId, envelope.Id);
            if (envelope.CorrelationId is { } correlation)
            {
                activity?.SetTag(ConversationId, correlation);
            }

            AddBaggage(activity, envelope.Baggage);
            activity?.Start();
        }

        return new(activity, _consumed.Enabled || _processDuration.Enabled ? _time.GetTimestamp() : 0, system);
    }

    public void EndProcess(Operation operation, string queue, Outcome outcome)
    {
        var errorType = outcome.Exception?.GetType().FullName;
        if (operation.Started != 0)
        {
            var tags = new TagList { { OperationName, "process" }, { OperationType, "process" }, { System, operation.System }, { DestinationName, queue } };
            if (errorType is not null)
            {
                tags.Add(ErrorType, errorType);
            }

            _consumed.Add(1, tags);
            _processDuration.Record(_time.GetElapsedTime(operation.Started).TotalSeconds, tags);
        }

        End(operation.Activity, errorType);
    }

    public void Settled(string system, Settlement settlement, SettleStatus status)
    {
        if (status == SettleStatus.Lost)
        {
            _lost.Add(1, new(System, system), new(DestinationName, settlement.Delivery.Queue));
        }
        else if (settlement.Kind == SettlementKind.Retry)
        {
            _retries.Add(1, new(System, system), new(DestinationName, settlement.Delivery.Queue));
        }
        else if (settlement.Kind == SettlementKind.DeadLetter)
        {
            _deadLetters.Add(
                1, new(System, system), new(DestinationName, settlement.Delivery.Queue),
                new(Reason, settlement.Info?.Reason.ToWireName()));
        }
    }

    public void Discarded(string system, string queue, DeadLetterReason reason) =>
        _discarded.Add(1, new(System, system), new(DestinationName, queue), new(Reason, reason.ToWireName()));

    public void Redelivered(string system, string queue) => _redelivered.Add(1, new(System, system), new(DestinationName, queue));

    public void Requested(string system, string destination, RequestOutcome outcome) => _requests.Add(
        1, new(System, system), new(DestinationName, destination), new(RequestOutcomeName, outcome switch
        {
            RequestOutcome.Answered => "answered",
            RequestOutcome.Faulted => "faulted",
            RequestOutcome.TimedOut => "timed_out",
            _ => "failed",
        }));

    public void AnswerDropped(string system) => _answersDropped.Add(1, new KeyValuePair<string, object?>(System, system));

    public void FaultLost(string system, string queue) => _faultsLost.Add(1, new(System, system), new(DestinationName, queue));

    public void Hung(string system, string queue, int change) => _hung.Add(change, new(System, system), new(DestinationName, queue));

    public void ReportFailed() => _reportsFailed.Add(1);

    public void ReportLost() => _reportsLost.Add(1);

    public void Dispose() => _meter.Dispose();

    private static string PublishName(PublishContext context) => context.Destination.Kind == DestinationKind.Topic ? "publish" : "send";

    private static void Inject(object? carrier, string field, string value)
    {
        var operation = (PublishOperation)carrier!;
        switch (field)
        {
            case "traceparent":
                operation.TraceParent = value;
                break;
            case "tracestate":
                operation.TraceState = value;
                break;
            case "baggage":
                operation.Baggage = value;
                break;
        }
    }

    private static void AddBaggage(Activity? activity, string? baggage)
    {
        // Baggage comes from outside: W3C allows 8192 bytes, more is not taken.
        if (activity is null || baggage is null || baggage.Length > 8192)
        {
            return;
        }

        var items = DistributedContextPropagator.Current.ExtractBaggage(baggage, static (object? carrier, string field, out string? value, out IEnumerable<string>? values) =>
        {
            value = field == "baggage" ? (string?)carrier : null;
            values = null;
        });
        foreach (var (key, value) in items ?? [])
        {
            activity.AddBaggage(key, value);
        }
    }

    private static void End(Activity? activity, string? errorType)
    {
        if (errorType is not null)
        {
            activity?.SetTag(ErrorType, errorType).SetStatus(ActivityStatusCode.Error);
        }

        activity?.Dispose();
    }
}
