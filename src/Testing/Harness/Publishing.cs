using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>One publish or send by the application.</summary>
internal sealed class Publishing : Happening
{
    private const int LongestMessage = 160;

    public Publishing(object message, string? type, Destination destination, PublishOptions options)
    {
        (Message, Destination, Options) = (message, destination, options);
        MessageType = type;
    }

    public object Message { get; }

    public Destination Destination { get; }

    public PublishOptions Options { get; }

    public PublishStatus? Status { get; private set; }

    public Exception? Error { get; private set; }

    public override string Kind => Error is null ? "published" : "not published";

    public override string Details =>
        $"to {Destination}{Due}: {(Error is { } error ? Words(error) : Status?.ToString() ?? "under way")}, id {MessageId ?? "unknown"}, {Short(Message.ToString())}";

    private string Due => Options.NotBefore is { } notBefore ? $" not before {notBefore:O}" : Options.Delay is { } delay && delay > TimeSpan.Zero ? $" in {Words(delay)}" : "";

    public void End(string? messageId, PublishStatus? status, Exception? error = null) => (MessageId, Status, Error) = (messageId, status, error);

    private static string? Short(string? text) => text?.Length > LongestMessage ? text[..LongestMessage] + "…" : text;
}
