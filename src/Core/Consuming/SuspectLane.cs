using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Runs messages that were handed out repeatedly without an outcome, one at a time and with nothing else running, fewest redeliveries
/// first: so when one of them kills the process, only its own count rises, and its neighbours are never taken along. In a queue with an order it is the
/// first that came, and those of its key that come behind a suspect wait with it.
/// </summary>
/// <remarks>All but one are handed back before it runs; handing back a suspect is not counted, on any transport.</remarks>
internal sealed class SuspectLane(PrefetchWindow window, ChannelWriter<InFlight> work, SettlementLoop settling, ConsumerQueue queue, ILogger logger)
{
    private readonly List<InFlight> _suspects = [];
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly List<InFlight> _held = [];

    public bool IsEmpty => _suspects.Count == 0;

    /// <param name="slot">The suspect.</param>
    /// <param name="key">Its key, if its queue has an order.</param>
    public void Add(InFlight slot, string? key)
    {
        _suspects.Add(slot);
        if (key is not null)
        {
            _keys.Add(key);
        }
    }

    /// <summary>Whether one of this key is a suspect, which others of it must not overtake.</summary>
    public bool Has(string? key) => key is not null && _keys.Contains(key);

    /// <summary>Called by the receive loop, which fetches nothing meanwhile.</summary>
    public async ValueTask RunAsync(CancellationToken stop)
    {
        try
        {
            _suspects.Sort(queue.Order == MessageOrder.None ? FewestFirst : FirstFirst);
            await OthersSettledAsync(stop).ConfigureAwait(false);
            ReleaseFrom(1);
            await OthersSettledAsync(stop).ConfigureAwait(false);
            var suspect = _suspects[0];
            _suspects.Clear();
            logger.Suspect(suspect.Delivery!.Envelope.Id, queue.Name, suspect.Delivery.Redeliveries);
            work.TryWrite(suspect);
            await OthersSettledAsync(stop).ConfigureAwait(false);
        }
        finally
        {
            ReleaseFrom(0);
            foreach (var slot in _held)
            {
                window.GiveBack(slot);
            }

            _held.Clear();
            _keys.Clear();
        }
    }

    private void ReleaseFrom(int first)
    {
        // In their order, in which they may come again.
        for (var i = first; i < _suspects.Count; i++)
        {
            settling.Post(_suspects[i], Settlement.Release(_suspects[i].Delivery!));
        }

        if (_suspects.Count > first)
        {
            _suspects.RemoveRange(first, _suspects.Count - first);
        }
    }

    private static int FirstFirst(InFlight one, InFlight other) => one.Sequence.CompareTo(other.Sequence);

    private static int FewestFirst(InFlight one, InFlight other) =>
        one.Delivery!.Redeliveries.CompareTo(other.Delivery!.Redeliveries) is var fewer && fewer != 0 ? fewer : FirstFirst(one, other);

    /// <summary>Only the suspects are left in the window when every other place has come back free.</summary>
    private async ValueTask OthersSettledAsync(CancellationToken stop)
    {
        while (_held.Count < window.Size - _suspects.Count)
        {
            _held.Add(await window.HoldAsync(stop).ConfigureAwait(false));
        }
    }
}
