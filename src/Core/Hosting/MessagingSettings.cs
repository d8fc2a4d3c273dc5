using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Postrider.Core.Hosting;

/// <summary>The section <c>Messaging</c>: all of it but what belongs to the transports.</summary>
internal sealed class MessagingSettings
{
    private readonly Settings _queues;
    private readonly Settings _topics;

    public MessagingSettings(IConfiguration? configuration)
    {
        Root = new(configuration, "Messaging");
        (_queues, _topics, Transports) = (Root.Section("Queues"), Root.Section("Topics"), Root.Section(nameof(Transports)));
        Transport = Root.Text(nameof(Transport));
        DrainFrom = Root.List(nameof(DrainFrom));
        Preset = Root.Text(nameof(Preset)) is null ? null : Root.Choice(nameof(Preset), MessagingPreset.Production);
        TransportOfQueue = TransportsOf(_queues);
        TransportOfTopic = TransportsOf(_topics);
    }

    public Settings Root { get; }

    /// <summary>The named transports, each a section.</summary>
    public Settings Transports { get; }

    public string? Transport { get; }

    public IReadOnlyList<string> DrainFrom { get; }

    public IReadOnlyDictionary<string, string> TransportOfQueue { get; }

    public IReadOnlyDictionary<string, string> TransportOfTopic { get; }

    public MessagingPreset? Preset { get; }

    /// <summary>The options of the host, as far as they are here.</summary>
    public MessagingOptions Read(MessagingOptions options) => options with
    {
        Application = Root.Text(nameof(options.Application)) ?? options.Application,
        PublishTimeout = Root.Value(nameof(options.PublishTimeout), options.PublishTimeout),
        RequestTimeout = Root.Value(nameof(options.RequestTimeout), options.RequestTimeout),
        DrainTimeout = Root.Value(nameof(options.DrainTimeout), options.DrainTimeout),
        HookTimeout = Root.Value(nameof(options.HookTimeout), options.HookTimeout),
        FindQueuesInterval = Root.Value(nameof(options.FindQueuesInterval), options.FindQueuesInterval),
        HeartbeatInterval = Root.Value(nameof(options.HeartbeatInterval), options.HeartbeatInterval),
        ProcessTimeToLive = Root.Value(nameof(options.ProcessTimeToLive), options.ProcessTimeToLive),
        FailFastAfter = Root.Text(nameof(options.FailFastAfter)) is null
            ? options.FailFastAfter
            : Root.Value(nameof(options.FailFastAfter), TimeSpan.Zero),
        RunPools = Root.List(nameof(options.RunPools)) is { Count: > 0 } pools ? [.. pools] : options.RunPools,
        MaxBodyBytes = Root.Value(nameof(options.MaxBodyBytes), options.MaxBodyBytes),
        MaxHeaders = Root.Value(nameof(options.MaxHeaders), options.MaxHeaders),
        MaxHeaderNameBytes = Root.Value(nameof(options.MaxHeaderNameBytes), options.MaxHeaderNameBytes),
        MaxHeaderValueBytes = Root.Value(nameof(options.MaxHeaderValueBytes), options.MaxHeaderValueBytes),
        MaxHeadersBytes = Root.Value(nameof(options.MaxHeadersBytes), options.MaxHeadersBytes),
        Telemetry = Read(Root.Section(nameof(options.Telemetry)), options.Telemetry),
    };

    private static TelemetryOptions Read(Settings section, TelemetryOptions options) => options with
    {
        NewTraces = section.Value(nameof(options.NewTraces), options.NewTraces),
        TraceSettling = section.Value(nameof(options.TraceSettling), options.TraceSettling),
        BodySizes = section.Value(nameof(options.BodySizes), options.BodySizes),
        TopicTemplates = section.List(nameof(options.TopicTemplates)) is { Count: > 0 } templates ? [.. templates] : options.TopicTemplates,
    };

    /// <summary>The options of a queue's consumers: what is here wins over what their code says.</summary>
    public ConsumerOptions Read(string queue, ConsumerOptions options)
    {
        var section = _queues.Section(queue);
        var priority = section.Section(nameof(options.Priority));
        return options with
        {
            Transport = section.Text(nameof(options.Transport)) ?? options.Transport,
            Concurrency = section.Value(nameof(options.Concurrency), options.Concurrency),
            Pool = section.Text(nameof(options.Pool)) ?? options.Pool,
            Order = section.Choice(nameof(options.Order), options.Order),
            Priority = priority.Text(nameof(PriorityOptions.LowerOneIn)) is null
                ? options.Priority
                : new() { LowerOneIn = priority.Value(nameof(PriorityOptions.LowerOneIn), 0) },
            Lease = section.Value(nameof(options.Lease), options.Lease),
            RenewLease = section.Value(nameof(options.RenewLease), options.RenewLease),
            MaxRedeliveries = section.Value(nameof(options.MaxRedeliveries), options.MaxRedeliveries),
            HungAfter = section.Text(nameof(options.HungAfter)) is null ? options.HungAfter : section.Value(nameof(options.HungAfter), TimeSpan.Zero),
            SingleActive = section.Value(nameof(options.SingleActive), options.SingleActive),
            ConsumerPriority = section.Value(nameof(options.ConsumerPriority), options.ConsumerPriority),
            CircuitBreaker = Read(section.Section(nameof(options.CircuitBreaker)), options.CircuitBreaker),
            RateLimit = Read(section.Section(nameof(options.RateLimit)), options.RateLimit),
            RateLimitPerKey = Read(section.Section(nameof(options.RateLimitPerKey)), options.RateLimitPerKey),
            OnExpired = section.Choice(nameof(options.OnExpired), options.OnExpired),
            Retry = section.Text(nameof(options.Retry)) is { } text ? RetryPolicy.Parse(text) : options.Retry,
        };
    }

    /// <summary>
    /// The worker pools of the code, changed by what is here: either the text <c>critical: 5; default: 10</c>, which says how many handlers of each run at once, or a
    /// section for each.
    /// </summary>
    public IReadOnlyDictionary<string, PoolOptions> Read(IReadOnlyDictionary<string, PoolOptions> code)
    {
        const string key = "Pools";
        var pools = new OrderedDictionary<string, PoolOptions>(code, StringComparer.OrdinalIgnoreCase);
        foreach (var part in Root.Text(key)?.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            if (part.Split(':', StringSplitOptions.TrimEntries) is not [{ Length: > 0 } name, var number]
                || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var concurrency))
            {
                throw new MessagingConfigurationException($"Messaging:{key} cannot be read: '{part}' is not as in \"critical: 5; default: 10\".");
            }

            pools[name] = pools.GetValueOrDefault(name, new()) with { Concurrency = concurrency };
        }

        var sections = Root.Section(key);
        foreach (var name in sections.Names())
        {
            var section = sections.Section(name);
            var options = pools.GetValueOrDefault(name, new());
            pools[name] = options with
            {
                Concurrency = section.Value(nameof(options.Concurrency), options.Concurrency),
                Queues = section.List(nameof(options.Queues)) is { Count: > 0 } queues ? [.. queues] : options.Queues,
                Strict = section.Value(nameof(options.Strict), options.Strict),
            };
        }

        return pools;
    }

    /// <summary>Refuses what nobody has asked for. Everything must have been read.</summary>
    public void Check(IReadOnlyCollection<string> consumedQueues)
    {
        foreach (var queue in _queues.Names())
        {
            if (!consumedQueues.Contains(queue, StringComparer.OrdinalIgnoreCase) && !TransportOfQueue.ContainsKey(queue))
            {
                throw new MessagingConfigurationException(
                    $"Messaging:Queues:{queue} is not known: no consumer has such a queue.{Nearest.Hint(queue, consumedQueues)}");
            }
        }

        Root.Check();
    }

    private static CircuitBreakerOptions? Read(Settings section, CircuitBreakerOptions? circuit)
    {
        var options = circuit ?? new();
        CircuitBreakerOptions read = options with
        {
            Failures = section.Value(nameof(options.Failures), options.Failures),
            FailureRatio = section.Text(nameof(options.FailureRatio)) is null ? options.FailureRatio : section.Value(nameof(options.FailureRatio), 0.0),
            Window = section.Value(nameof(options.Window), options.Window),
            MinimumHandled = section.Value(nameof(options.MinimumHandled), options.MinimumHandled),
            Pause = section.Value(nameof(options.Pause), options.Pause),
            LongestPause = section.Value(nameof(options.LongestPause), options.LongestPause),
        };
        return section.Exists ? read : circuit;
    }

    private static RateLimitOptions? Read(Settings section, RateLimitOptions? rate)
    {
        RateLimitOptions read = new()
        {
            PerSecond = section.Value(nameof(rate.PerSecond), rate?.PerSecond ?? 0),
            Burst = section.Value(nameof(rate.Burst), rate?.Burst ?? 1),
            Shared = section.Value(nameof(rate.Shared), rate?.Shared ?? false),
        };
        return section.Exists ? read : rate;
    }

    private static Dictionary<string, string> TransportsOf(Settings section)
    {
        var transports = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var name in section.Names())
        {
            if (section.Section(name).Text("Transport") is { } transport)
            {
                transports.Add(name, transport);
            }
        }

        return transports;
    }
}
