using Microsoft.Extensions.Time.Testing;

namespace Postrider.Testing;

/// <summary>Options of a <see cref="MessagingTestHost"/>.</summary>
public sealed record MessagingTestOptions
{
    /// <summary>What becomes of messages.</summary>
    public MessagingTestMode Mode { get; init; }

    /// <summary>
    /// Keeps the transport that the application chose, and real time with it, to run the same test against a broker. False: a broker in memory of this host's own,
    /// and a clock that is moved by hand.
    /// </summary>
    public bool KeepTransport { get; init; }

    /// <summary>The clock that is moved by hand; null: a new one. Not with <see cref="KeepTransport"/>.</summary>
    public FakeTimeProvider? Time { get; init; }

    /// <summary>
    /// How long, in real time, to wait for completion before the test fails with the timeline. It is only met by handlers that do not end, so it may be generous.
    /// Without end while a debugger is attached.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What goes wrong; null: nothing, unless <see cref="MessagingTestHost.Chaos"/> is told so.</summary>
    public ChaosOptions? Chaos { get; init; }
}

/// <summary>What becomes of messages in a <see cref="MessagingTestHost"/>.</summary>
public enum MessagingTestMode
{
    /// <summary>They are published and handled.</summary>
    Run,

    /// <summary>They are published and stay in their queues, until <see cref="MessagingTestHost.HandleCaptured"/>.</summary>
    Capture,

    /// <summary>Nothing is published, as with a <see cref="PublishingSwitch"/> that is off, and nothing is handled.</summary>
    Disabled,
}
