using System.Globalization;
using System.Text;
using Postrider.Core.Consuming;
using Postrider.Core.Hosting;

namespace Postrider;

/// <summary>
/// What messaging consists of in this application: transports with what they can do, queues, bindings, consumers with their options, middlewares in their order.
/// From dependency injection, for an application's <c>--describe</c>: nothing is started or connected. Making it checks the registration as a start does.
/// </summary>
public sealed class MessagingDescription
{
    private readonly string _text;

    internal MessagingDescription(MessagingRegistration registration, MessagingSettings settings, MessagingOptions options, TransportSet transports)
    {
        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"messaging of '{options.Application}', preset {registration.Preset}: publish timeout {options.PublishTimeout}, drain timeout {options.DrainTimeout}, "
            + $"{(options.FailFastAfter is { } after ? $"fails fast after {after}" : "waits for its brokers")}, bodies up to {options.MaxBodyBytes} bytes");
        foreach (var transport in transports.All)
        {
            Append(text, registration, transports, transport);
        }

        foreach (var (topic, transport) in settings.TransportOfTopic)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"topic {topic} is published to {transport}");
        }

        Append(text, "publish", [.. registration.PublishMiddleware.Select(static one => one.Name)]);
        Append(text, "consume", registration.ConsumeNames);
        _text = text.ToString();
    }

    /// <summary>The description, for people. It has no secrets.</summary>
    public override string ToString() => _text;

    private static void Append(StringBuilder text, MessagingRegistration registration, TransportSet transports, NamedTransport named)
    {
        var capabilities = named.Transport.Capabilities;
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"transport {named.Name} ({capabilities.System}){(named == transports.Default ? ", the default" : "")}{(named.Status.Drain is not null ? ", is drained" : "")}");
        foreach (var name in Enum.GetValues<TransportCapability>())
        {
            var capability = capabilities[name];
            text.AppendLine($"  {name,-20} {capability.Level,-11} {capability.How}".TrimEnd());
        }

        foreach (var (topic, target) in named.MappedTopics)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  topic {topic} is mapped to {target}");
        }

        foreach (var queue in named.Queues.Concat(named.Templates.Select(static one => one.Pattern)))
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"  {(QueuePattern.Is(queue.Name) ? "each queue" : "queue")} {queue.Name}{(queue.IsRun ? "" : ", not consumed by this process")}{(queue.IsDrained ? ", until it is empty" : "")}: concurrency {queue.Concurrency}, "
                + $"{queue.FirstWindow} to {queue.LargestWindow} under way, lease {queue.Lease}, {queue.MaxRedeliveries} redeliveries, expired messages: {queue.OnExpired}"
                + $"{(queue.Priority is not { } priority ? "" : priority.LowerOneIn == 0 ? ", priorities, strict" : $", priorities, one in {priority.LowerOneIn} for lower ones")}"
                + $"{(queue.SingleActive ? ", a single active consumer" : "")}{(queue.ConsumerPriority == 0 ? "" : $", consumer priority {queue.ConsumerPriority}")}"
                + $"{Text(queue.RateLimit, "")}{Text(queue.RateLimitPerKey, " of each key")}"
                + $"{(queue.CircuitBreaker is not { } circuit ? "" : $", circuit breaker after {(circuit.FailureRatio is { } ratio ? $"{ratio:P0} failures within {circuit.Window}" : $"{circuit.Failures} failures")}")}");
            foreach (var binding in named.Topology.Bindings.Where(binding => binding.Queue == queue.Name))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"    bound to {binding.Pattern}");
            }

            foreach (var consumer in registration.Consumers.Where(consumer => consumer.Queue == queue.Name))
            {
                Append(text, consumer);
            }
        }
    }

    private static void Append(StringBuilder text, ConsumerRegistration consumer)
    {
        var options = consumer.Options;
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"    consumer {consumer.Name} of {(consumer.MessageTypes.IsEmpty ? "text and bytes" : string.Join(", ", consumer.MessageTypes))}: {options.Retry.MaxAttempts} attempts, then {options.Retry.OnExhausted}"
            + $"{(options.Batch is { } batch ? $", in batches of {batch.MaxSize}" : "")}{(options.Transactional ? ", transactional" : "")}"
            + $"{(consumer.Pool is { } pool ? $", in the pool {pool.Pool.Name} of {pool.Pool.Status.Concurrency}" : "")}"
            + $"{(options.Order == MessageOrder.None ? "" : $", ordered {options.Order}")}"
            + $"{(options.Middleware.IsDefaultOrEmpty ? "" : $", {options.Middleware.Length} middlewares of its own")}"
            + $"{(options.Requires.IsDefaultOrEmpty ? "" : $", requires {string.Join(", ", options.Requires)}")}");
    }

    private static void Append(StringBuilder text, string kind, List<string> names)
    {
        if (names.Count > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{kind} middlewares, the outermost first: {string.Join(" > ", names)}");
        }
    }

    private static string Text(RateLimitOptions? rate, string of) =>
        rate is null ? "" : $", {rate.PerSecond} a second{of}{(rate.Shared ? " of all processes" : "")}, {rate.Burst} at once";
}
