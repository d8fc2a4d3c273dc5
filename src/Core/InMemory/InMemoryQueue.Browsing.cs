using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <content>Looking at what is visible, by its place in the queue's order.</content>
internal sealed partial class InMemoryQueue
{
    /// <summary>All that are not settled, whoever has them.</summary>
    public int CountAll()
    {
        lock (_gate)
        {
            var leased = 0;
            foreach (var reader in _readers)
            {
                leased += reader.Leased.Count;
            }

            return _ready.Count + _returned.Count + _delayed.Count + leased;
        }
    }

    public int CountVisible()
    {
        lock (_gate)
        {
            MakeVisible();
            return _ready.Count + _returned.Count;
        }
    }

    /// <summary>Those behind a place, in their order.</summary>
    public IReadOnlyList<StoredDeadLetter> Browse(long after, int max)
    {
        lock (_gate)
        {
            MakeVisible();
            var found = new List<StoredDeadLetter>();
            foreach (var list in (ReadOnlySpan<MessageList>)[_returned, _ready])
            {
                for (var message = list.First; message is not null && found.Count < max; message = message.Next)
                {
                    if (message.Position > after)
                    {
                        found.Add(new(message.Position.ToString(CultureInfo.InvariantCulture), message.Envelope!));
                    }
                }
            }

            return found;
        }
    }

    public bool Delete(long position)
    {
        lock (_gate)
        {
            MakeVisible();
            foreach (var list in (ReadOnlySpan<MessageList>)[_returned, _ready])
            {
                for (var message = list.First; message is not null; message = message.Next)
                {
                    if (message.Position == position)
                    {
                        list.Remove(message);
                        message.Token++;
                        Recycle(message);
                        return true;
                    }
                }
            }

            return false;
        }
    }
}
