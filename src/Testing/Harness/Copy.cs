using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>One copy of a message in one queue, until its final outcome. Guarded by the tracker's lock.</summary>
internal sealed class Copy(string queue, string messageId, Flow? flow)
{
    public string Queue { get; } = queue;

    public string MessageId { get; } = messageId;

    /// <summary>What it belongs to; null: to nothing that a test began.</summary>
    public Flow? Flow { get; } = flow;

    public CopyState State { get; set; } = CopyState.None;

    /// <summary>From when on it may be handed out.</summary>
    public DateTimeOffset Due { get; set; }

    /// <summary>That of its next hand-out, or of the latest.</summary>
    public int Attempt { get; set; } = 1;

    /// <summary>An earlier try to publish it ended without an answer.</summary>
    public bool WasInDoubt { get; set; }

    /// <summary>Its latest hand-out.</summary>
    public Delivery? Delivery { get; set; }

    /// <summary>Something is about to happen to it without any time passing.</summary>
    public bool IsBusy => IsOpen && State is not (CopyState.Later or CopyState.InLane);

    /// <summary>It has not come to its end.</summary>
    public bool IsOpen => State is not (CopyState.None or CopyState.InDoubt or CopyState.Ended);
}

/// <summary>Where a copy is, in the order in which one is taken for what is handed out.</summary>
internal enum CopyState
{
    /// <summary>Not counted yet.</summary>
    None,

    /// <summary>In the queue, to be handed out.</summary>
    Ready,

    /// <summary>In the queue, due later.</summary>
    Later,

    /// <summary>The transport has it, and has not answered.</summary>
    Publishing,

    /// <summary>On its way back into the queue: the transport is told, and has not answered.</summary>
    Returning,

    /// <summary>No answer came: it may be stored or not.</summary>
    InDoubt,

    /// <summary>Handed out.</summary>
    InHand,

    /// <summary>Handed out, and behind another of its key (<see cref="MessageOrder"/>).</summary>
    InLane,

    /// <summary>A dead letter, whose <see cref="ConsumerOptions.OnFailed"/> is told.</summary>
    Telling,

    /// <summary>Acked, dead-lettered, discarded, or never stored.</summary>
    Ended,
}

/// <summary>What one publish of a test caused, directly or through handlers: how many copies of it are open.</summary>
internal sealed class Flow
{
    private static readonly AsyncLocal<Flow?> s_current = new();

    /// <summary>That of the calling test or handler, however deep in its calls.</summary>
    public static Flow? Current
    {
        get => s_current.Value;
        set => s_current.Value = value;
    }

    private TaskCompletionSource? _begins;

    /// <summary>How many copies are open. Guarded by the tracker's lock.</summary>
    public int Open
    {
        get;
        set
        {
            field = value;
            _begins?.TrySetResult();
        }
    }

    /// <summary>Completes with the first publish. To be called before it.</summary>
    public Task Begins() => (_begins = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
}
