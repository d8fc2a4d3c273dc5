namespace Postrider;

/// <summary>Something that happened to the messaging host. More kinds may come, so leave out what you do not know.</summary>
public abstract record MessagingEvent
{
    private protected MessagingEvent()
    {
    }

    /// <summary>When, on this host's clock.</summary>
    public DateTimeOffset At { get; internal init; }

    /// <summary>On which transport; null for what is of the whole host.</summary>
    public string? Transport { get; internal init; }
}

/// <summary>The host was told to start; brokers are reached in the background.</summary>
public sealed record MessagingStarted : MessagingEvent;

/// <summary>The host has stopped, and everything is drained that could be in time.</summary>
public sealed record MessagingStopped : MessagingEvent;

/// <summary>A transport's broker cannot be reached any more, be it to receive or to publish; it is tried again.</summary>
/// <param name="Error">Why.</param>
public sealed record BrokerUnreachable(TransportException Error) : MessagingEvent;

/// <summary>A transport's broker is reached: at first, or again.</summary>
public sealed record BrokerReached : MessagingEvent;

/// <summary>A transport is given up until the next start, as waiting cannot help.</summary>
/// <param name="Error">Why.</param>
public sealed record TransportGivenUp(TransportException Error) : MessagingEvent;

/// <summary>A queue has another state.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="From">What it was; null at first.</param>
/// <param name="To">What it is.</param>
public sealed record QueueStateChanged(string Queue, QueueState? From, QueueState To) : MessagingEvent;

/// <summary>A queue's consumer failed and is started again.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Error">Why.</param>
/// <param name="Pause">After how long.</param>
public sealed record ConsumerRestarting(string Queue, Exception Error, TimeSpan Pause) : MessagingEvent;

/// <summary>A message whose attempts are used up stops its queue, as <see cref="ExhaustedMessage.Stop"/> asks for.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Reason">Which message, and why.</param>
public sealed record QueueStopped(string Queue, string Reason) : MessagingEvent;

/// <summary>A handler has run for longer than its <see cref="ConsumerOptions.HungAfter"/>; told once.</summary>
/// <param name="Handler">Which, with which message, and for how long.</param>
public sealed record HandlerHung(RunningHandler Handler) : MessagingEvent;

/// <summary>Handlers of a queue ran longer than the drain could wait (<see cref="MessagingOptions.DrainTimeout"/>) and are cancelled.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Running">How many messages were not settled.</param>
public sealed record DrainTimedOut(string Queue, int Running) : MessagingEvent;
