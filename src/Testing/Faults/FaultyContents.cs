using System.Text;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>What can go wrong with what a delivery holds.</summary>
internal static class FaultyContents
{
    public static Delivery Wrap(Delivery delivery, FaultSwitch fault)
    {
        var envelope = Change(delivery, fault);
        var queue = fault.Hits(Fault.NamesSubQueues) ? Priorities.SubQueue(delivery.Queue, Priorities.LevelOf(envelope)) : delivery.Queue;
        return new FaultyDelivery(delivery, queue, envelope, Redeliveries(delivery, fault)) { Defect = delivery.Defect };
    }

    /// <summary>The message a second time, which a broker that finds duplicates must not find.</summary>
    public static OutgoingMessage Again(in OutgoingMessage message) => message with { DuplicateId = Guid.NewGuid().ToString("N") };

    public static Settlement Unwrap(Settlement settlement)
    {
        var delivery = ((FaultyDelivery)settlement.Delivery).Inner;
        return settlement.Kind switch
        {
            SettlementKind.Ack => Settlement.Ack(delivery),
            SettlementKind.Retry => Settlement.Retry(delivery, settlement.Delay),
            SettlementKind.DeadLetter => Settlement.DeadLetter(delivery, settlement.Info!),
            _ => Settlement.Release(delivery),
        };
    }

    public static ReadOnlyMemory<Delivery> Unwrap(ReadOnlyMemory<Delivery> deliveries) =>
        deliveries.ToArray().Select(static one => ((FaultyDelivery)one).Inner).ToArray();

    public static string Released(Delivery delivery) => $"released {delivery.Queue} {delivery.Envelope.Id}";

    public static string Redelivered(Delivery delivery) => $"redelivered {delivery.Queue} {delivery.Envelope.Id}";

    private static int Redeliveries(Delivery delivery, FaultSwitch fault)
    {
        var (counted, released) = (delivery.Redeliveries, fault.Counted(Released(delivery)));
        return fault.Fault switch
        {
            Fault.ForgetsRedeliveries when fault.Hits(Fault.ForgetsRedeliveries, counted > 0) => 0,
            Fault.CountsReleases when fault.Hits(Fault.CountsReleases, released > 0) => counted + released,
            Fault.ReleaseForgetsRedeliveries when fault.Hits(Fault.ReleaseForgetsRedeliveries, released > 0) => 0,
            Fault.KeepsRedeliveries when fault.Hits(Fault.KeepsRedeliveries, delivery.Envelope.Attempt > 1) =>
                counted + fault.Counted(Redelivered(delivery)),
            _ => counted,
        };
    }

    private static Envelope Change(Delivery delivery, FaultSwitch fault)
    {
        var envelope = delivery.Envelope;
        var (isRetry, isDead, hasHeaders) = (envelope.Attempt > 1, envelope.DeadLetter is not null, envelope.Headers.Count > 0);
        var forgetsHeaders = fault.Hits(Fault.RetryForgetsHeaders, isRetry && hasHeaders)
            || fault.Hits(Fault.DeadLetterForgetsHeaders, isDead && hasHeaders)
            || fault.Hits(Fault.RedeliveryForgetsHeaders, delivery.Redeliveries > 0 && hasHeaders);
        var forgetsKey = fault.Hits(Fault.RetryForgetsMetadata, isRetry) || fault.Hits(Fault.DeadLetterForgetsMetadata, isDead);
        if (forgetsHeaders)
        {
            return envelope with { Headers = Envelope.NoHeaders };
        }

        if (forgetsKey)
        {
            return envelope with { Key = null };
        }

        return fault.Fault switch
        {
            Fault.ForgetsMetadata when fault.Hits(Fault.ForgetsMetadata) => envelope with { Key = null, CorrelationId = null, CausationId = null, Priority = null },
            Fault.ForgetsContentEncoding when fault.Hits(Fault.ForgetsContentEncoding, envelope.ContentEncoding is not null) =>
                envelope with { ContentEncoding = null },
            Fault.ForgetsExpiry when fault.Hits(Fault.ForgetsExpiry, envelope.ExpiresAt is not null) => envelope with { ExpiresAt = null },
            Fault.InventsMetadata when fault.Hits(Fault.InventsMetadata) => envelope with { ContentType = envelope.ContentType ?? "text/plain" },
            Fault.LosesTrace when fault.Hits(Fault.LosesTrace) => envelope with { TraceParent = null, TraceState = null, Baggage = null },
            Fault.LosesAttempt when fault.Hits(Fault.LosesAttempt, isRetry) => envelope with { Attempt = 1 },
            Fault.TrimsUnicode when fault.Hits(Fault.TrimsUnicode) => envelope with
            {
                Id = Ascii(envelope.Id),
                Key = envelope.Key is null ? null : Ascii(envelope.Key),
                Headers = Headers(envelope, static header => (Ascii(header.Key), Ascii(header.Value))),
            },
            Fault.ForgetsHeaders when fault.Hits(Fault.ForgetsHeaders, hasHeaders) => envelope with
            {
                Headers = envelope.Headers.Skip(1).ToDictionary(),
            },
            Fault.TrimsHeaders when fault.Hits(Fault.TrimsHeaders, hasHeaders) => envelope with
            {
                Headers = Headers(envelope, static header => (header.Key, header.Value[..Math.Min(header.Value.Length, 255)])),
            },
            Fault.TrustsReservedHeaders when envelope.Headers.TryGetValue("traceparent", out var parent) && fault.Hits(Fault.TrustsReservedHeaders) =>
                envelope with { TraceParent = parent },
            Fault.CorruptsBodies or Fault.TrimsBodies or Fault.ReformatsJson or Fault.NormalizesJson =>
                envelope with { Body = FaultyBody.Change(envelope, fault) },
            Fault.DropsDeadLetterReason when fault.Hits(Fault.DropsDeadLetterReason, isDead) => envelope with
            {
                DeadLetter = envelope.DeadLetter! with { Reason = DeadLetterReason.Rejected, Description = null },
            },
            Fault.DeadLetterForgetsPriority when fault.Hits(Fault.DeadLetterForgetsPriority, isDead) => envelope with { Priority = null },
            Fault.TrimsDeadLetterTexts when fault.Hits(Fault.TrimsDeadLetterTexts, isDead) => envelope with
            {
                DeadLetter = envelope.DeadLetter! with { StackTrace = envelope.DeadLetter.StackTrace?[..1024] },
            },
            _ => envelope,
        };
    }

    private static Dictionary<string, string> Headers(
        Envelope envelope, Func<KeyValuePair<string, string>, (string Key, string Value)> change)
    {
        var headers = new Dictionary<string, string>();
        foreach (var (key, value) in envelope.Headers.Select(change))
        {
            headers[key] = value;
        }

        return headers;
    }

    private static string Ascii(string text) => Encoding.ASCII.GetString(Encoding.ASCII.GetBytes(text));

    private sealed class FaultyDelivery(Delivery inner, string queue, Envelope envelope, int redeliveries) : Delivery(queue, envelope, redeliveries)
    {
        public Delivery Inner { get; } = inner;
    }
}

/// <summary>What can go wrong with bodies.</summary>
internal static class FaultyBody
{
    public static ReadOnlyMemory<byte> Change(Envelope envelope, FaultSwitch fault)
    {
        var body = envelope.Body;
        switch (fault.Fault)
        {
            case Fault.CorruptsBodies when fault.Hits(Fault.CorruptsBodies, body.Length > 0):
                var corrupt = body.ToArray();
                corrupt[^1] ^= 1;
                return corrupt;
            case Fault.TrimsBodies:
                var length = Math.Min(body.Length, 65_536);
                length = body.Span[..length].TrimEnd((byte)' ').Length;
                fault.Hits(Fault.TrimsBodies, length < body.Length);
                return body[..length];
            case Fault.ReformatsJson when IsJson(body) && fault.Hits(Fault.ReformatsJson):
                return Rewrite(body, repeated: true);
            case Fault.NormalizesJson when IsJson(body) && envelope.ContentType?.Contains("json", StringComparison.Ordinal) == true
                && fault.Hits(Fault.NormalizesJson):
                return Rewrite(body, repeated: false);
            default:
                return body;
        }
    }

    private static bool IsJson(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static byte[] Rewrite(ReadOnlyMemory<byte> body, bool repeated)
    {
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            return repeated ? [.. body.Span, (byte)'\n'] : body.ToArray();
        }

        using var output = new MemoryStream();
        using (var json = new Utf8JsonWriter(output, new() { SkipValidation = true }))
        {
            json.WriteStartObject();
            var members = document.RootElement.EnumerateObject();
            foreach (var member in repeated ? members : members.GroupBy(static member => member.Name).Select(static same => same.Last()))
            {
                member.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return output.ToArray();
    }
}
