using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>
/// The door for a dashboard: what goes on, what waits, what failed, and the three things that are done about it. From dependency injection; one per host,
/// thread-safe. What it shows is what the brokers and the state store have, so any host of the application shows the same.
/// </summary>
/// <remarks>
/// A queue is named by its own name, or as <c>billing@rabbit</c> on the transport that is named. All methods that take one throw a
/// <see cref="TransportException"/> if the broker cannot be asked, with <see cref="TransportError.QueueNotFound"/> if there is no such queue, and a
/// <see cref="MessagingConfigurationException"/> if the name is illegal or the transport cannot do it. A page has 1 to <see cref="LargestPage"/> items.
/// </remarks>
public interface IMessagingInspector
{
    /// <summary>The most that a page has.</summary>
    const int LargestPage = 1000;

    /// <summary>How much of a body <see cref="PendingAsync"/> shows, in bytes.</summary>
    const int PreviewBytes = 4096;

    /// <summary>The queues that this host consumes, those on a transport that is being drained as <c>billing@rabbit</c>. Others can be named too.</summary>
    IReadOnlyList<string> Queues { get; }

    /// <summary>The numbers of all hosts together, the live processes with what they do with their queues, and the queues that are held up.</summary>
    /// <exception cref="StateStoreException">The state store cannot be asked.</exception>
    ValueTask<MessagingOverview> StatsAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// What a queue holds, its dead letters not counted, in the order in which the broker got it. Nothing is taken, hidden or counted by looking. What comes
    /// and goes meanwhile may be seen or not.
    /// </summary>
    /// <param name="queue">The queue.</param>
    /// <param name="after">The <see cref="InspectorPage{T}.Next"/> of the page before; null: the first page.</param>
    /// <param name="size">How many a page has.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Bodies are cut to <see cref="PreviewBytes"/>.</returns>
    ValueTask<InspectorPage<PendingMessage>> PendingAsync(string queue, string? after = null, int size = 50, CancellationToken cancellationToken = default);

    /// <summary>The message at a position with its whole body, or null if it is gone.</summary>
    ValueTask<PendingMessage?> FindPendingAsync(string queue, string position, CancellationToken cancellationToken = default);

    /// <summary>Dead letters, queue by queue, each in the order in which they came. They stay. Bodies are whole, so that one can be replayed.</summary>
    /// <param name="queue">Of which queue; null: of all that this host consumes.</param>
    /// <param name="after">The <see cref="InspectorPage{T}.Next"/> of the page before; null: the first page.</param>
    /// <param name="size">How many a page has.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<InspectorPage<DeadLetter>> FailedAsync(string? queue = null, string? after = null, int size = 50, CancellationToken cancellationToken = default);

    /// <summary>Sends dead letters to their queue again (<see cref="IDeadLetters.ReplayAsync"/>), and returns how many were still there.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="positions">Their <see cref="DeadLetter.Position"/>s.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    /// <exception cref="PublishException">One was not sent; it and those after it are still where they were.</exception>
    ValueTask<int> RetryAsync(string queue, IEnumerable<string> positions, CancellationToken cancellationToken = default);

    /// <summary>Removes dead letters for good, and returns how many were still there.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="positions">Their <see cref="DeadLetter.Position"/>s.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    ValueTask<int> ForgetAsync(string queue, IEnumerable<string> positions, CancellationToken cancellationToken = default);

    /// <summary>
    /// Removes for good what waits in a queue, of all its levels, whether it was sent or published to a topic. What handlers have in hand stays, and so do dead
    /// letters and what other queues have of the same topics. What comes meanwhile may go too. A warning is logged, also if it ends half-way.
    /// </summary>
    /// <param name="queue">The queue.</param>
    /// <param name="by">Who wants it, for the log.</param>
    /// <param name="delayed">Also what is delayed, or waits for another attempt.</param>
    /// <param name="cancellationToken">Ends it half-way.</param>
    /// <returns>How many were removed.</returns>
    ValueTask<long> FlushAsync(string queue, string by, bool delayed = false, CancellationToken cancellationToken = default);
}

/// <summary>Some of many.</summary>
/// <param name="Items">At most as many as were asked for.</param>
/// <param name="Next">Where the next page begins; null: this is the last one.</param>
public sealed record InspectorPage<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>What goes on in an application.</summary>
/// <param name="Stats">The numbers of all hosts of the application together.</param>
/// <param name="Processes">The live processes (<see cref="IMessagingProcesses"/>); none without a state store.</param>
/// <param name="Paused">The queues that are paused (<see cref="IQueueControl"/>); none without a state store.</param>
/// <param name="OpenCircuits">The queues whose circuit breakers are not closed; none without a state store.</param>
public sealed record MessagingOverview(
    StatsSnapshot Stats, IReadOnlyList<MessagingProcess> Processes, IReadOnlyList<PausedQueue> Paused, IReadOnlyList<OpenCircuit> OpenCircuits);

/// <summary>A message that is in a queue.</summary>
/// <param name="Position">Where it is, as the transport names it.</param>
/// <param name="Envelope">The message. Its <see cref="Envelope.ContentEncoding"/> is not undone.</param>
public sealed record PendingMessage(string Position, Envelope Envelope)
{
    /// <summary>How long its body is, also where only the beginning is shown.</summary>
    public int BodyBytes { get; init; } = Envelope.Body.Length;

    /// <summary>Of one that is delayed: when it comes, by the broker's clock. Null: now.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Whether somebody has it in hand; null: the broker does not tell.</summary>
    public bool? IsInHand { get; init; }

    /// <summary>Its hand-outs without an outcome so far, the present one not counted; null: the broker does not tell.</summary>
    public int? Redeliveries { get; init; }
}
