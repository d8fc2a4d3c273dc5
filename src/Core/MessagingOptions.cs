using System.Collections.Immutable;

namespace Postrider;

/// <summary>Options of the messaging host. Immutable; checked once at start.</summary>
public sealed record MessagingOptions
{
    /// <summary>The application's name: the messages' source, and the name of connections. Null: the host's application name.</summary>
    public string? Application { get; init; }

    /// <summary>How long a publish may take in all: waiting for the broker, and transient failures tried again.</summary>
    public TimeSpan PublishTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the answer to a request is waited for, unless the request says otherwise; at most a day.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long running handlers may go on at shutdown before they are cancelled. Keep it below the host's own shutdown timeout.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long each call of a lifecycle hook may take (<see cref="ILifecycleHook"/>). At shutdown it comes on top of <see cref="DrainTimeout"/>.</summary>
    public TimeSpan HookTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The worker pools whose queues this process consumes; empty: all queues. Those of other pools, and of none, are declared and not consumed here, so let
    /// another process do it.
    /// </summary>
    public ImmutableArray<string> RunPools { get; init; } = [];

    /// <summary>What to do while the broker is not there at start. Null waits forever; a value stops the host (exit code 69) after that long.</summary>
    public TimeSpan? FailFastAfter { get; init; }

    /// <summary>How often consumers of all queues that begin alike (<see cref="ConsumerOptions.Queue"/>) look which there are; at least 100 ms.</summary>
    public TimeSpan FindQueuesInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often the host tells the other processes that it is alive, if there is a state store.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After how long without a heartbeat a process counts as dead; at least twice <see cref="HeartbeatInterval"/>.</summary>
    public TimeSpan ProcessTimeToLive { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The largest body in bytes, out and in: larger ones are refused when published and are malformed when received.</summary>
    public int MaxBodyBytes { get; init; } = 1024 * 1024;

    /// <summary>The most headers on a message.</summary>
    public int MaxHeaders { get; init; } = 64;

    /// <summary>The longest header name, in UTF-8 bytes.</summary>
    public int MaxHeaderNameBytes { get; init; } = 128;

    /// <summary>The longest header value, in UTF-8 bytes.</summary>
    public int MaxHeaderValueBytes { get; init; } = 4 * 1024;

    /// <summary>All header names and values of a message together, in UTF-8 bytes.</summary>
    public int MaxHeadersBytes { get; init; } = 16 * 1024;

    /// <summary>What traces and metrics hold.</summary>
    public TelemetryOptions Telemetry { get; init; } = new();
}
