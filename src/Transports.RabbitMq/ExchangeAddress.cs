using System.Collections.Immutable;
using System.Text;

namespace Postrider.Transports.RabbitMq;

/// <summary>Where a topic goes that is mapped to an exchange of others.</summary>
/// <param name="Exchange">Its name; empty for the default one, which leads to the queue that the key names. Null if the configuration does not say it.</param>
/// <param name="RoutingKey">The routing key.</param>
/// <param name="Headers">What each message gets, unless it has a header of the name.</param>
internal sealed record ExchangeAddress(string? Exchange, string RoutingKey, ImmutableSortedDictionary<string, object> Headers)
{
    /// <summary>So much is certain to fit into the frame, beside <see cref="EnvelopeMapper.LongestHeaders"/>.</summary>
    private const int LongestHeaders = 4096;

    /// <summary>Why it makes no sense, or null.</summary>
    public string? WhyWrong() =>
        Exchange is null ? "Exchange is missing. Empty means the default one, which leads to the queue that RoutingKey names."
        : !IsShort(Exchange) || !IsShort(RoutingKey) ? $"Exchange and RoutingKey have at most {EnvelopeMapper.LongestShort} bytes each."
        : Exchange.StartsWith("postrider.", StringComparison.Ordinal) ? $"The exchange '{Exchange}' is Postrider's own."
        : Headers.Keys.FirstOrDefault(static name => name.Length == 0 || !IsShort(name) || EnvelopeMapper.IsReserved(name)) is { } illegal
            ? $"The header '{illegal}' has no name, one of more than {EnvelopeMapper.LongestShort} bytes, or one that Postrider or RabbitMQ uses."
        : Headers.FirstOrDefault(static header => header.Value is not (string or bool or int or long or double)).Key is { } other
            ? $"The header '{other}' is neither a string nor a bool, int, long or double."
        : Headers.Sum(static header => Bytes(header.Key) + (header.Value is string text ? Bytes(text) : 0) + 16) > LongestHeaders
            ? $"Headers have more than {LongestHeaders} bytes."
        : null;

    /// <summary>For people.</summary>
    public override string ToString() =>
        (Exchange is { Length: > 0 } ? $"the exchange '{Exchange}', routing key '{RoutingKey}'" : $"the queue '{RoutingKey}'")
        + (Headers.IsEmpty ? "" : $", headers {string.Join(", ", Headers.Select(static header => $"{header.Key}={header.Value}"))}");

    private static bool IsShort(string text) => Bytes(text) <= EnvelopeMapper.LongestShort;

    private static int Bytes(string text) => Encoding.UTF8.GetByteCount(text);
}
