using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Reliability.Rig;

/// <summary>What a worker process is to do.</summary>
internal sealed record Job
{
    public required string Kind { get; init; }

    public required string Address { get; init; }

    public required string Queue { get; init; }

    /// <summary>Its ledger: a line when a handler begins and one when it ends, each written before anything else happens.</summary>
    public required string Ledger { get; init; }

    /// <summary>Where the processes share their state, if the broker does not hold it: a PostgreSQL.</summary>
    public string? State { get; init; }

    /// <summary>One process at a time, and messages of a key in their order.</summary>
    public bool SingleActive { get; init; }

    public int Concurrency { get; init; } = 16;

    /// <summary>How long a handler takes.</summary>
    public TimeSpan Handling { get; init; } = TimeSpan.FromMilliseconds(1);

    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    public int MaxRedeliveries { get; init; } = 10;

    /// <summary>This message ends the process.</summary>
    public int Deadly { get; init; } = -1;

    /// <summary>The handler of this message never ends, and heeds no token.</summary>
    public int Hanging { get; init; } = -1;

    /// <summary>Every so many a message throws, always; 0: none.</summary>
    public int ThrowsEvery { get; init; }

    public int MaxAttempts { get; init; } = 5;

    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    public string ToText() => JsonSerializer.Serialize(this, JobJson.Default.Job);

    public static Job Parse(string text) => JsonSerializer.Deserialize(text, JobJson.Default.Job)!;
}

[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(Work))]
internal sealed partial class JobJson : JsonSerializerContext;

/// <summary>A message, of about a kibibyte.</summary>
[Message("reliability.work")]
internal sealed record Work(int Number, string Padding)
{
    private static readonly string Kibibyte = new('x', 1000);

    public static Work Of(int number) => new(number, Kibibyte);
}
