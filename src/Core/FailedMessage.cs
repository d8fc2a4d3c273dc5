using Postrider.Core.Transport;

namespace Postrider;

/// <summary>A message that became a dead letter, for <see cref="ConsumerOptions.OnFailed"/>.</summary>
/// <param name="Envelope">The message, as its consumer saw it: in the dead-letter queue its body is encoded as it came.</param>
/// <param name="Info">What was written beside it.</param>
/// <param name="Exception">The exception it came from, if any.</param>
/// <param name="Consumer">The name of its consumer.</param>
/// <param name="Services">A dependency injection scope of the callback's own.</param>
public sealed record FailedMessage(Envelope Envelope, DeadLetterInfo Info, Exception? Exception, string Consumer, IServiceProvider Services);
