namespace Postrider.Core.Requests;

/// <summary>What a request came to, for the metrics.</summary>
internal enum RequestOutcome
{
    /// <summary>It could not be sent, was cancelled, or was given up with the host.</summary>
    Failed,

    Answered,

    Faulted,

    TimedOut,
}
