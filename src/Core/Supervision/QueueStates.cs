using System.Collections.Frozen;

namespace Postrider.Core.Supervision;

/// <summary>The life of a consumed queue: which state may follow which. A new state is a line here.</summary>
internal static class QueueStates
{
    private static readonly FrozenDictionary<QueueState, QueueState[]> Followers = new Dictionary<QueueState, QueueState[]>
    {
        [QueueState.Starting] = [QueueState.Receiving, QueueState.Reconnecting, QueueState.Paused, QueueState.Standby, QueueState.Stopped, QueueState.Faulted],
        [QueueState.Receiving] = [QueueState.Reconnecting, QueueState.Draining],
        [QueueState.Reconnecting] = [QueueState.Receiving, QueueState.Draining, QueueState.Paused, QueueState.Standby, QueueState.Stopped, QueueState.Faulted],
        [QueueState.Paused] = [QueueState.Receiving, QueueState.Reconnecting, QueueState.Standby, QueueState.Stopped, QueueState.Faulted],
        [QueueState.Standby] = [QueueState.Receiving, QueueState.Reconnecting, QueueState.Paused, QueueState.Stopped, QueueState.Faulted],

        // Not only at the end: each receiver is drained before the next one is opened.
        [QueueState.Draining] = [QueueState.Receiving, QueueState.Reconnecting, QueueState.Paused, QueueState.Standby, QueueState.Stopped, QueueState.Faulted],
        [QueueState.Stopped] = [],
        [QueueState.Faulted] = [],
    }.ToFrozenDictionary();

    /// <summary>Whether it may; a state may always follow itself.</summary>
    public static bool MayFollow(QueueState from, QueueState to) => from == to || Followers[from].Contains(to);

    /// <exception cref="InvalidOperationException">It may not: the supervisor has a mistake.</exception>
    public static QueueState Next(string queue, QueueState from, QueueState to) =>
        MayFollow(from, to) ? to : throw new InvalidOperationException($"The queue '{queue}' is {from} and cannot become {to}.");
}
