using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Equality of envelopes as it is promised: everything exact, except that a time may lose what is below a millisecond.</summary>
internal static class EnvelopeAssert
{
    /// <summary>Compares everything but the attempt and the dead-letter information.</summary>
    public static void Same(Envelope expected, Envelope actual)
    {
        Assert.Equal(expected.Id, actual.Id);
        Assert.Equal(expected.Type, actual.Type);
        Assert.Equal(expected.SchemaVersion, actual.SchemaVersion);
        Assert.Equal(expected.ContentType, actual.ContentType);
        Assert.Equal(expected.ContentEncoding, actual.ContentEncoding);
        Assert.Equal(expected.Topic, actual.Topic);
        Assert.Equal(expected.Source, actual.Source);
        Assert.Equal(expected.Key, actual.Key);
        Assert.Equal(expected.Subject, actual.Subject);
        Assert.Equal(expected.CorrelationId, actual.CorrelationId);
        Assert.Equal(expected.CausationId, actual.CausationId);
        Assert.Equal(expected.ReplyTo, actual.ReplyTo);
        Assert.Equal(expected.Priority, actual.Priority);
        Assert.Equal(expected.TraceParent, actual.TraceParent);
        Assert.Equal(expected.TraceState, actual.TraceState);
        Assert.Equal(expected.Baggage, actual.Baggage);
        Assert.Equal(Milliseconds(expected.SentAt), Milliseconds(actual.SentAt));
        Assert.Equal(Milliseconds(expected.OccurredAt), Milliseconds(actual.OccurredAt));
        Assert.Equal(Milliseconds(expected.ExpiresAt), Milliseconds(actual.ExpiresAt));
        Assert.Equal(Sorted(expected), Sorted(actual));
        Assert.True(expected.Body.Span.SequenceEqual(actual.Body.Span), "The body has changed.");
    }

    private static long? Milliseconds(DateTimeOffset? time) => time?.ToUnixTimeMilliseconds();

    private static IEnumerable<(string, string)> Sorted(Envelope envelope) =>
        envelope.Headers.Select(static header => (header.Key, header.Value)).OrderBy(static header => header.Key, StringComparer.Ordinal);
}
