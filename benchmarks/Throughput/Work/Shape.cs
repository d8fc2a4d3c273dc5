namespace Postrider.Throughput.Work;

/// <summary>What a scenario wants of a contender.</summary>
public sealed record Shape
{
    public int BodyBytes { get; init; } = 256;

    /// <summary>Handlers that run at once, on each queue.</summary>
    public int Concurrency { get; init; } = 16;

    public int Queues { get; init; } = 1;

    /// <summary>How long a handler takes.</summary>
    public TimeSpan HandlerTime { get; init; }

    /// <summary>Every so many messages one takes <see cref="SlowTime"/>; 0 for none.</summary>
    public int SlowEvery { get; init; }

    public TimeSpan SlowTime { get; init; }

    /// <summary>Middlewares around the handler that only call on. Ours alone has them.</summary>
    public int Middlewares { get; init; }

    /// <summary>Whether a framework publishes and consumes in one host, as one application does. Otherwise in two, as two services do.</summary>
    public bool OneHost { get; init; }

    /// <summary>Room for so many messages in the ledger.</summary>
    public int Capacity { get; init; } = 1 << 20;
}
