using System.Diagnostics;
using Postrider.Core.Publishing;
using Postrider.Core.Transport;

namespace Postrider.Core.Diagnostics;

/// <summary>The spans of publishing, handling and settling, and what is measured with them.</summary>
internal sealed partial class Telemetry
{
    /// <summary>A span that runs, if somebody listens, and what its end needs.</summary>
    public readonly record struct Operation(Activity? Activity, long Started, BrokerNames Broker, TelemetryDestination Destination, string? Template, bool IsCounted);

    /// <summary>Starts the span and writes the trace context that travels: the span's, or else the caller's.</summary>
    public Operation BeginPublish(BrokerNames broker, PublishContext context, string id, string? correlationId, PublishOperation carrier)
    {
        var measures = _sent.Enabled || _operationDuration.Enabled;
        Activity? activity = null;
        TelemetryDestination destination = default;
        string? template = null;
        if (measures || Source.HasListeners())
        {
            destination = broker.Of(context.Destination);
            template = BrokerNames.TemplateOf(context.Destination, _options);
            activity = Start(PublishName(context), "send", ActivityKind.Producer, broker, destination, template, default, null, id, correlationId);
            if (activity is not null && context.Destination.Kind == DestinationKind.Queue && template is not null)
            {
                activity.SetTag(IsTemporary, true);
            }
        }

        if ((activity ?? Activity.Current) is { } current)
        {
            DistributedContextPropagator.Current.Inject(current, carrier, Inject);
        }

        return new(activity, measures ? _time.GetTimestamp() : 0, broker, destination, template, IsCounted: false);
    }

    /// <summary>The payload is known now.</summary>
    public void Serialized(Operation operation, int bytes)
    {
        if (_options.BodySizes)
        {
            operation.Activity?.SetTag(BodySize, bytes);
        }
    }

    public void EndPublish(Operation operation, PublishContext context, PublishStatus outcome, Exception? error)
    {
        var unroutable = outcome == PublishStatus.Unroutable;
        var failed = unroutable
            ? context.Destination.Kind == DestinationKind.Queue || context.Options.RequireSubscribers == true
            : outcome is not (PublishStatus.Stored or PublishStatus.Duplicate);
        var errorType = !failed ? null : unroutable ? nameof(PublishStatus.Unroutable) : error?.GetType().FullName ?? outcome.ToString();
        if (unroutable && _unroutable.Enabled)
        {
            _unroutable.Add(1, new(SystemName, operation.Broker.System), new(DestinationName, context.Destination.Name));
        }

        if (operation.Started != 0)
        {
            var tags = Tags(operation, PublishName(context), "send", operation.Template is null ? operation.Destination.Name : null, errorType);
            if (operation.Template is { } template)
            {
                tags.Add(DestinationTemplate, template);
            }

            _sent.Add(1, tags);
            _operationDuration.Record(_time.GetElapsedTime(operation.Started).TotalSeconds, tags);
        }

        End(operation.Activity, errorType);
    }

    /// <summary>Starts the span of a handler run, linked to the publish, and a child of it unless traces are to be new ones.</summary>
    public Operation BeginProcess(BrokerNames broker, Delivery delivery, Envelope envelope)
    {
        Activity? activity = null;
        TelemetryDestination destination = default;
        if (Source.HasListeners())
        {
            ActivityLink[]? links = null;
            if (ActivityContext.TryParse(envelope.TraceParent, envelope.TraceState, isRemote: true, out var creation))
            {
                links = [new ActivityLink(creation)];
            }

            if (_options.NewTraces)
            {
                Activity.Current = null;
            }

            destination = broker.Of(delivery);
            activity = Start(
                "process", "process", ActivityKind.Consumer, broker, destination, null, _options.NewTraces ? default : creation, links, envelope.Id, envelope.CorrelationId, delivery.Queue,
                envelope.Baggage);
            if (_options.BodySizes)
            {
                activity?.SetTag(BodySize, envelope.Body.Length);
            }
        }

        var counts = _inFlight.Enabled;
        if (counts)
        {
            _inFlight.Add(1, new(SystemName, broker.System), new(DestinationName, delivery.Queue));
        }

        return new(activity, _consumed.Enabled || _processDuration.Enabled || _lag.Enabled ? _time.GetTimestamp() : 0, broker, destination, null, counts);
    }

    /// <param name="operation">What began.</param>
    /// <param name="delivery">What was handled.</param>
    /// <param name="outcome">What it came to; null if it was cut off.</param>
    public void EndProcess(Operation operation, Delivery delivery, Outcome? outcome)
    {
        var errorType = outcome is not { } known ? typeof(OperationCanceledException).FullName
            : known.Exception?.GetType().FullName
                ?? (known.Kind == OutcomeKind.DeadLetter && known.Reason != DeadLetterReason.Rejected ? known.Reason.ToWireName() : null);
        if (operation.Started != 0)
        {
            // Its name as the broker has it may hold a topic, of which there may be many: the queue says enough.
            var tags = Tags(operation, "process", "process", delivery.Queue, errorType);
            tags.Add(ConsumerGroup, delivery.Queue);
            _consumed.Add(1, tags);
            _processDuration.Record(_time.GetElapsedTime(operation.Started).TotalSeconds, tags);
            if (outcome is { Kind: OutcomeKind.Ack } && delivery.Envelope.SentAt is { } sent && _time.GetUtcNow() - sent is var lag && lag >= TimeSpan.Zero)
            {
                _lag.Record(lag.TotalSeconds, new(SystemName, operation.Broker.System), new(DestinationName, delivery.Queue));
            }
        }

        if (operation.IsCounted)
        {
            _inFlight.Add(-1, new(SystemName, operation.Broker.System), new(DestinationName, delivery.Queue));
        }

        End(operation.Activity, errorType);
    }

    /// <summary>When a settlement began, for its span; default if there is to be none.</summary>
    public DateTimeOffset BeginSettle() => _options.TraceSettling && Source.HasListeners() ? _time.GetUtcNow() : default;

    public void Settled(BrokerNames broker, Settlement settlement, SettleStatus status, DateTimeOffset began = default)
    {
        var (delivery, queue) = (settlement.Delivery, settlement.Delivery.Queue);
        if (began != default)
        {
            TraceSettled(broker, settlement, status, began);
        }

        if (status == SettleStatus.Lost)
        {
            _lost.Add(1, new(SystemName, broker.System), new(DestinationName, queue));
        }
        else if (settlement.Kind == SettlementKind.Retry)
        {
            _retries.Add(1, new(SystemName, broker.System), new(DestinationName, queue));
        }
        else if (settlement.Kind == SettlementKind.DeadLetter)
        {
            _deadLetters.Add(1, new(SystemName, broker.System), new(DestinationName, queue), new(Reason, settlement.Info?.Reason.ToWireName()));
        }
    }

    private static void TraceSettled(BrokerNames broker, Settlement settlement, SettleStatus status, DateTimeOffset began)
    {
        var name = settlement.Kind switch
        {
            SettlementKind.Ack => "ack",
            SettlementKind.Retry => "retry",
            SettlementKind.DeadLetter => "dead-letter",
            _ => "release",
        };
        var envelope = settlement.Delivery.Envelope;
        var known = ActivityContext.TryParse(envelope.TraceParent, envelope.TraceState, isRemote: true, out var creation);
        var activity = Start(
            name, "settle", ActivityKind.Client, broker, broker.Of(settlement.Delivery), null, creation, known ? [new(creation)] : null, envelope.Id, envelope.CorrelationId,
            settlement.Delivery.Queue, began: began);
        End(activity, status == SettleStatus.Lost ? "lost" : null);
    }

    /// <summary>What samplers may ask for is there when the span is created.</summary>
    private static Activity? Start(
        string operation, string type, ActivityKind kind, BrokerNames broker, TelemetryDestination destination, string? template, ActivityContext parent,
        ActivityLink[]? links, string id, string? conversation, string? group = null, string? baggage = null, DateTimeOffset began = default)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var tags = new List<KeyValuePair<string, object?>>(12)
        {
            new(SystemName, broker.System), new(OperationName, operation), new(OperationType, type), new(DestinationName, destination.Name), new(MessageId, id),
        };
        Add(tags, DestinationTemplate, template);
        Add(tags, ServerAddress, broker.Address);
        Add(tags, ServerPort, broker.Port);
        Add(tags, ConsumerGroup, group);
        Add(tags, ConversationId, conversation);
        Add(tags, RoutingKey, destination.RoutingKey);
        Add(tags, DeliveryTag, (long?)destination.DeliveryTag);
        var activity = Source.CreateActivity($"{operation} {template ?? destination.Name}", kind, parent, tags, links);
        if (activity is null)
        {
            return null;
        }

        if (began != default)
        {
            activity.SetStartTime(began.UtcDateTime);
        }

        AddBaggage(activity, baggage);
        return activity.Start();

        static void Add(List<KeyValuePair<string, object?>> tags, string name, object? value)
        {
            if (value is not null)
            {
                tags.Add(new(name, value));
            }
        }
    }

    private static TagList Tags(Operation operation, string name, string type, string? destination, string? errorType)
    {
        var tags = new TagList { { OperationName, name }, { OperationType, type }, { SystemName, operation.Broker.System } };
        if (destination is not null)
        {
            tags.Add(DestinationName, destination);
        }

        if (operation.Broker.Address is { } address)
        {
            tags.Add(ServerAddress, address);
            tags.Add(ServerPort, operation.Broker.Port);
        }

        if (errorType is not null)
        {
            tags.Add(ErrorType, errorType);
        }

        return tags;
    }

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
