using System.Collections.Concurrent;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>
/// The options that hold unless a call says otherwise: those of the type count before those of the topic, those before the global ones, and of two on the same
/// level the one that was registered later. What they come to is worked out once for each type and destination.
/// </summary>
internal sealed class PublishDefaults
{
    /// <summary>Topics may be made up at run time: what is beyond this many is worked out each time.</summary>
    private const int MostKept = 1024;

    private readonly List<(PublishScope Scope, PublishOptions Options)> _registered = [];
    private readonly ConcurrentDictionary<(MessageType, Destination), PublishOptions?> _known = new();

    public IEnumerable<PublishOptions> All => _registered.Select(static one => one.Options);

    /// <exception cref="MessagingConfigurationException">They have something that belongs to one message.</exception>
    public void Add(PublishScope scope, PublishOptions options)
    {
        if ((options.Topic ?? options.MessageId ?? options.CorrelationId ?? options.CausationId ?? options.MessageType) is not null
            || options.OccurredAt is not null || options.NotBefore is not null || options.Transaction is not null)
        {
            throw new MessagingConfigurationException(
                "Topic, MessageId, CorrelationId, CausationId, MessageType, OccurredAt, NotBefore and Transaction belong to one message: they cannot be defaults.");
        }

        _registered.Add((scope, options));
    }

    /// <summary>The call's options with what they leave open; null if nothing is said at all.</summary>
    public PublishOptions? Complete(PublishOptions? options, MessageType type, Destination destination)
    {
        if (_registered.Count == 0)
        {
            return options;
        }

        if (!_known.TryGetValue((type, destination), out var defaults))
        {
            defaults = Find(type, destination);
            if (_known.Count < MostKept)
            {
                _known.TryAdd((type, destination), defaults);
            }
        }

        return options is null || defaults is null ? options ?? defaults : Over(options, defaults);
    }

    private static PublishOptions Over(PublishOptions options, PublishOptions defaults) => options with
    {
        Transport = options.Transport ?? defaults.Transport,
        ReplyTo = options.ReplyTo ?? defaults.ReplyTo,
        Key = options.Key ?? defaults.Key,
        Priority = options.Priority ?? defaults.Priority,
        Subject = options.Subject ?? defaults.Subject,
        ContentType = options.ContentType ?? defaults.ContentType,
        Headers = Over(options.Headers, defaults.Headers),
        Delay = options.Delay ?? (options.NotBefore is null ? defaults.Delay : null),
        TimeToLive = options.TimeToLive ?? defaults.TimeToLive,
        JoinTransaction = options.JoinTransaction && defaults.JoinTransaction,
        RequireSubscribers = options.RequireSubscribers ?? defaults.RequireSubscribers,
    };

    private static IReadOnlyDictionary<string, string>? Over(IReadOnlyDictionary<string, string>? headers, IReadOnlyDictionary<string, string>? defaults)
    {
        if (headers is null || defaults is null)
        {
            return headers ?? defaults;
        }

        var merged = new Dictionary<string, string>(defaults);
        foreach (var (name, value) in headers)
        {
            merged[name] = value;
        }

        return merged;
    }

    private PublishOptions? Find(MessageType type, Destination destination) => _registered
        .Where(one => one.Scope.Holds(type, destination))
        .Reverse()
        .OrderBy(static one => one.Scope.Type is not null ? 0 : one.Scope.Pattern is not null ? 1 : 2)
        .Aggregate((PublishOptions?)null, static (found, one) => found is null ? one.Options : Over(found, one.Options));
}
