namespace Postrider.Core.Consuming;

/// <summary>A message stopped its queue, as <see cref="ExhaustedMessage.Stop"/> says.</summary>
internal sealed class QueueStoppedException(string message) : MessagingException(message);
