using System.Buffers;

namespace Postrider.Core.Transport;

/// <summary>
/// Extension attributes of CloudEvents are headers that begin with <c>ce-</c>, on every transport: <c>ce-tenantid</c>. A transport maps such a header to what the
/// binding of its carrier calls the attribute, and back. Attributes that the envelope has a property for are that property.
/// </summary>
public static class CloudEventHeaders
{
    /// <summary>What the names of these headers begin with.</summary>
    public const string Prefix = "ce-";

    private static readonly SearchValues<char> OfNames = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789");

    /// <summary>Whether a header is an extension attribute: <c>ce-</c> and a legal name (lower case letters and digits) that no property of the envelope stands for.</summary>
    public static bool IsExtension(ReadOnlySpan<char> header) =>
        header.StartsWith(Prefix, StringComparison.Ordinal) && header.Length > Prefix.Length
        && !header[Prefix.Length..].ContainsAnyExcept(OfNames) && !IsProperty(header[Prefix.Length..]);

    private static bool IsProperty(ReadOnlySpan<char> attribute) =>
        attribute is "id" or "type" or "source" or "specversion" or "datacontenttype" or "time" or "recordedtime" or "expirytime" or "subject"
            or "partitionkey" or "correlationid" or "causationid" or "traceparent" or "tracestate" or "data";
}
