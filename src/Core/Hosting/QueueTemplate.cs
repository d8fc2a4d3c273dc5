using Postrider.Core.Consuming;

namespace Postrider.Core.Hosting;

/// <summary>The consumers of all queues that begin alike.</summary>
/// <param name="Pattern">The beginning with a <c>*</c> behind; as a queue it has the options of each.</param>
/// <param name="Build">Makes a queue of that name; null if another process consumes it, by the pools.</param>
internal sealed record QueueTemplate(ConsumerQueue Pattern, Func<string, ConsumerQueue?> Build)
{
    public string Prefix => QueuePattern.PrefixOf(Pattern.Name);
}
