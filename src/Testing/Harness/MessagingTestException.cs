namespace Postrider.Testing;

/// <summary>A test failed. The text tells what was expected, what was found, and the timeline of what happened.</summary>
public sealed class MessagingTestException(string message, Exception? innerException = null) : MessagingException(message, innerException);

/// <summary>A failure that <see cref="Chaos"/> was told to make.</summary>
public sealed class ChaosException(string message) : MessagingException(message);
