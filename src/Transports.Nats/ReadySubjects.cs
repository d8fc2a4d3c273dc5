using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>What messages of a queue are stored under when they are ready: the queue's subject, or that of their level.</summary>
internal sealed class ReadySubjects(Subjects subjects, string queue)
{
    private readonly string _default = subjects.OfQueue(queue);

    /// <summary>Set when it is known. Until then all go to the default level, which is harmless.</summary>
    public volatile bool HasLevels;

    public string Of(Envelope envelope) => !HasLevels || Priorities.LevelOf(envelope) is var level && level == Priorities.Default ? _default : subjects.OfLevel(queue, level);
}
