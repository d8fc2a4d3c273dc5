namespace Postrider.Core.Transport;

/// <summary>An ability of transports: topics that go to what others made on the broker, instead of to the queues that are bound to them here.</summary>
public interface IMappedTopics
{
    /// <summary>Where each such topic goes, in words, to follow "is mapped to": <c>the exchange 'legacy.orders'</c>. Constant, without secrets.</summary>
    IReadOnlyDictionary<string, string> MappedTopics { get; }
}
