namespace Postrider.Testing;

/// <summary>
/// Finds messages that were overtaken: of two with the same key, published one after the other (the first confirmed before the second
/// was begun), the first was handled later. Publishes that overlap have no order.
/// </summary>
internal static class LedgerOrder
{
    public static IEnumerable<LedgerMessage> Inversions(IEnumerable<LedgerMessage> messages)
    {
        var overtaken = new HashSet<LedgerMessage>();
        var lines = from message in messages
                    where message.Key is not null && message.IsConfirmed && message.Publishes == 1
                    from copy in message.Queues
                    where copy.Value.Successes > 0
                    group (Message: message, HandledAt: copy.Value.FirstSuccessAt) by (message.Key, Queue: copy.Key);

        foreach (var line in lines)
        {
            // Backwards in publishing order: the earliest handling among the messages that began after this one was confirmed.
            var byPublish = line.OrderByDescending(static one => one.Message.PublishedAt).ToList();
            var next = 0;
            var earliestLater = int.MaxValue;
            foreach (var one in line.OrderByDescending(static one => one.Message.ConfirmedAt))
            {
                for (; next < byPublish.Count && byPublish[next].Message.PublishedAt > one.Message.ConfirmedAt; next++)
                {
                    earliestLater = Math.Min(earliestLater, byPublish[next].HandledAt);
                }

                if (earliestLater < one.HandledAt)
                {
                    overtaken.Add(one.Message);
                }
            }
        }

        return overtaken;
    }
}
