using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>For transports around others: what the inner one can.</summary>
internal static class ReplyQueues
{
    public static ValueTask<IReplyReader> OpenAsync(ITransport inner, string queue, CancellationToken cancellationToken) => inner is IReplyQueues queues
        ? queues.OpenReplyQueueAsync(queue, cancellationToken)
        : throw new MessagingConfigurationException($"The transport '{inner.Capabilities.System}' has no queues for answers.");
}
