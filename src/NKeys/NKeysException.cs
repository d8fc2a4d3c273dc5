namespace NATS.NKeys;

/// <summary>A key cannot be read or used. The text never holds any of it.</summary>
public sealed class NKeysException(string message) : Exception(message);
