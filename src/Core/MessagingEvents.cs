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

/// <summary>A queue was found by the beginning of its name (<see cref="ConsumerOptions.Queue"/>), and this host consumes it from now on.</summary>
/// <param name="Queue">The queue.</param>
public sealed record QueueFound(string Queue) : MessagingEvent;

/// <summary>A queue that had been found does not exist any more: this host knows it no longer.</summary>
/// <param name="Queue">The queue.</param>
public sealed record QueueGone(string Queue) : MessagingEvent;

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

/// <summary>A queue that this host consumes is paused (<see cref="IQueueControl"/>), by whatever process; or was when this host started.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Reason">Why, for people; told again when it changes.</param>
/// <param name="By">The process that paused it.</param>
public sealed record QueuePaused(string Queue, string? Reason, string By) : MessagingEvent;

/// <summary>A queue that this host consumes is not paused any more.</summary>
/// <param name="Queue">The queue.</param>
public sealed record QueueResumed(string Queue) : MessagingEvent;

/// <summary>The circuit breaker of a queue that this host consumes has opened, in whatever process; or was open when this host started.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Trips">How often it has opened since the last success.</param>
/// <param name="Reason">The exception that opened it.</param>
/// <param name="Until">The end of the pause, by the clock of the process that opened it.</param>
public sealed record CircuitOpened(string Queue, int Trips, string Reason, DateTimeOffset Until) : MessagingEvent;

/// <summary>The pause of a circuit breaker is over, and one process tries one message at a time; or so it was when this host started.</summary>
/// <param name="Queue">The queue.</param>
public sealed record CircuitHalfOpened(string Queue) : MessagingEvent;

/// <summary>The circuit breaker of a queue has closed: a message was handled well, or somebody resumed the queue.</summary>
/// <param name="Queue">The queue.</param>
public sealed record CircuitClosed(string Queue) : MessagingEvent;

/// <summary>This host has become the single active consumer of a queue (<see cref="ConsumerOptions.SingleActive"/>).</summary>
/// <param name="Queue">The queue.</param>
public sealed record PlaceWon(string Queue) : MessagingEvent;

/// <summary>This host is not the single active consumer of a queue any more.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="IsGivenBack">It drained first, as at a stop or a pause. If not, the place is about to be another's, and its handlers are cancelled.</param>
public sealed record PlaceLost(string Queue, bool IsGivenBack) : MessagingEvent;

/// <summary>A host is in the register of processes from now on (<see cref="IMessagingProcesses"/>); or was when this one started.</summary>
/// <param name="Process">The host.</param>
/// <param name="IsThis">It is this one.</param>
public sealed record ProcessRegistered(MessagingProcess Process, bool IsThis) : MessagingEvent;

/// <summary>A host has left the register of processes, as it has stopped.</summary>
/// <param name="Process">The host, as it was last known.</param>
/// <param name="IsThis">It is this one.</param>
public sealed record ProcessLeft(MessagingProcess Process, bool IsThis) : MessagingEvent;

/// <summary>
/// A host was taken for dead: its entry in the register of processes has expired, as there was no heartbeat. If it is this one, it stops consuming for a moment and
/// registers under a new id.
/// </summary>
/// <param name="Process">The host, as it was last known.</param>
/// <param name="IsThis">It is this one.</param>
public sealed record ProcessReaped(MessagingProcess Process, bool IsThis) : MessagingEvent;
