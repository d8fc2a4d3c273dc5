using Postrider.Core.Transport;
using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing;

/// <summary>Derives the defects from a history. Positions in the list stand for time, so equal times keep their order.</summary>
internal static class LedgerCheck
{
    public static LedgerReport Run(IReadOnlyList<LedgerEvent> events, LedgerRules rules)
    {
        var messages = new Dictionary<string, LedgerMessage>();
        for (var position = 0; position < events.Count; position++)
        {
            var happened = events[position];
            if (!messages.TryGetValue(happened.MessageId, out var message))
            {
                messages.Add(happened.MessageId, message = new(happened.MessageId));
            }

            message.Add(happened, position);
        }

        var all = messages.Values;
        return new()
        {
            Published = all.Count(static message => message.Publishes > 0),
            Confirmed = all.Count(static message => message.IsConfirmed),
            Handled = all.Sum(static message => message.Queues.Values.Count(static copy => copy.Successes > 0)),
            Lost = Finding(all.Where(message => IsLost(message, rules))),
            Duplicated = Finding(all.Where(static message => message.Queues.Values.Any(static copy => copy.Successes > 1))),
            Ghosts = Finding(all.Where(static message => !message.IsConfirmed && message.Queues.Values.Any(static copy => copy.Successes > 0))),
            OutOfOrder = Finding(LedgerOrder.Inversions(all)),
            WrongAttempt = Finding(all.Where(static message => message.Queues.Values.Any(static copy => copy.HasWrongAttempt))),
            Early = Finding(all.Where(message => message.Queues.Values.Any(copy => copy.MostEarly > rules.EarlyTolerance))),
        };
    }

    private static bool IsLost(LedgerMessage message, LedgerRules rules)
    {
        if (!message.IsConfirmed)
        {
            return false;
        }

        if (message.SentTo is { } queue)
        {
            return !Arrived(queue);
        }

        return rules.Queues is { } queues ? !queues.All(Arrived) : !message.Queues.Values.Any(static copy => copy.IsAccountedFor);

        bool Arrived(string name) =>
            (message.Queues.TryGetValue(name, out var copy) && copy.IsAccountedFor)
            || (message.Queues.TryGetValue(Names.DeadLetterQueue(name), out var dead) && dead.IsAccountedFor);
    }

    private static LedgerFinding Finding(IEnumerable<LedgerMessage> defective)
    {
        var ids = defective.OrderBy(static message => message.PublishedAt).Select(static message => message.Id).ToList();
        return ids.Count == 0 ? LedgerFinding.None : new(ids.Count, [.. ids.Take(LedgerFinding.MaxIds)]);
    }
}

/// <summary>What is known of one message.</summary>
internal sealed class LedgerMessage(string id)
{
    public string Id { get; } = id;

    public int Publishes { get; private set; }

    public int PublishedAt { get; private set; } = int.MaxValue;

    public int ConfirmedAt { get; private set; } = int.MaxValue;

    public bool IsConfirmed => ConfirmedAt != int.MaxValue;

    public string? SentTo { get; private set; }

    public string? Key { get; private set; }

    public DateTimeOffset DueAt { get; private set; } = DateTimeOffset.MaxValue;

    public Dictionary<string, LedgerCopy> Queues { get; } = [];

    public void Add(in LedgerEvent happened, int position)
    {
        Key ??= happened.Key;
        switch (happened.Kind)
        {
            case Kind.Publishing:
                Publishes++;
                PublishedAt = Math.Min(PublishedAt, position);
                SentTo = happened.Queue;
                // Tried again after an unclear result, the first try is the one that may have counted.
                DueAt = happened.At + happened.Delay < DueAt ? happened.At + happened.Delay : DueAt;
                break;
            case Kind.Confirmed:
                ConfirmedAt = Math.Min(ConfirmedAt, position);
                break;
            case Kind.Refused or Kind.Unconfirmed:
                break;
            default:
                var queue = happened.Queue ?? throw new InvalidDataException($"The event {happened.Kind} of message {Id} names no queue.");
                if (!Queues.TryGetValue(queue, out var copy))
                {
                    Queues.Add(queue, copy = new(this, queue));
                }

                copy.Add(happened, position);
                break;
        }
    }
}
