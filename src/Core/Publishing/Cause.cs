using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>The message that is being handled, for whatever its handler publishes, however deep in its calls.</summary>
internal static class Cause
{
    private static readonly AsyncLocal<Envelope?> Handled = new();

    /// <summary>Null outside of handlers.</summary>
    public static Envelope? Current => Handled.Value;

    /// <summary>From here on, until the calling asynchronous method returns.</summary>
    public static void Begin(Envelope envelope) => Handled.Value = envelope;
}
