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

            return _visible.Count + _delayed.Count + leased;
        }
    }

    public int CountVisible()
    {
        lock (_gate)
        {
            MakeVisible();
            return _visible.Count;
        }
    }

    /// <summary>Those behind a place, in their order.</summary>
    public IReadOnlyList<StoredDeadLetter> Browse(long after, int max)
    {
        lock (_gate)
        {
            MakeVisible();
            var found = new List<StoredDeadLetter>();
            foreach (var message in _visible.InOrder().Where(message => message.Position > after).Take(max))
            {
                found.Add(new(message.Position.ToString(CultureInfo.InvariantCulture), message.Envelope!));
            }

            return found;
        }
    }

    public bool Delete(long position)
    {
        lock (_gate)
        {
            MakeVisible();
            if (_visible.InOrder().FirstOrDefault(message => message.Position == position) is not { } message)
            {
                return false;
            }

            message.List!.Remove(message);
            message.Token++;
            Recycle(message);
            return true;
        }
    }
}
