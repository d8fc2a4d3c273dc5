using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Runs messages that were handed out repeatedly without an outcome, one at a time and with nothing else running, fewest redeliveries
/// first: so when one of them kills the process, only its own count rises, and its neighbours are never taken along.
/// </summary>
/// <remarks>All but one are handed back before it runs; handing back a suspect is not counted, on any transport.</remarks>
internal sealed class SuspectLane(PrefetchWindow window, ChannelWriter<InFlight> work, SettlementLoop settling, ConsumerQueue queue, ILogger logger)
{
    private readonly List<InFlight> _suspects = [];
    private readonly List<InFlight> _held = [];

    public bool IsEmpty => _suspects.Count == 0;

    public void Add(InFlight slot) => _suspects.Add(slot);

    /// <summary>Called by the receive loop, which fetches nothing meanwhile.</summary>
    public async ValueTask RunAsync(CancellationToken stop)
    {
        try
        {
            _suspects.Sort(static (a, b) => a.Delivery!.Redeliveries.CompareTo(b.Delivery!.Redeliveries));
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
        }
    }

    private void ReleaseFrom(int first)
    {
        for (var i = _suspects.Count - 1; i >= first; i--)
        {
            settling.Post(_suspects[i], Settlement.Release(_suspects[i].Delivery!));
            _suspects.RemoveAt(i);
        }
    }

    /// <summary>Only the suspects are left in the window when every other place has come back free.</summary>
    private async ValueTask OthersSettledAsync(CancellationToken stop)
    {
        while (_held.Count < window.Size - _suspects.Count)
        {
            _held.Add(await window.HoldAsync(stop).ConfigureAwait(false));
        }
    }
}
