using System.Buffers.Binary;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>What <see cref="ChaosOptions"/> do to messages on their way. Thread-safe.</summary>
internal sealed class RandomStrikes(ChaosOptions options, int seed, Timeline timeline)
{
    /// <summary>How long a publish is held back to be overtaken.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ulong> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<ulong, ulong> _counts = [];
    private readonly Dictionary<(string Queue, string MessageId, int Attempt), Copies> _copies = [];

    /// <summary>The messages as the transport gets them: later, perhaps, and with duplicates behind them.</summary>
    public OutgoingMessage[] Publish(ReadOnlySpan<OutgoingMessage> batch)
    {
        var messages = new List<OutgoingMessage>();
        var duplicates = new List<OutgoingMessage>();
        foreach (var wanted in batch)
        {
            var (message, place) = (wanted, PlaceOf(wanted));
            if (Strikes("delayed", place, options.Delays, message.Envelope))
            {
                message = message with { Delay = message.Delay + (options.LongestDelay * Share("how long", place)) };
            }
            else if (Strikes("held back", place, options.Reorders, message.Envelope))
            {
                message = message with { Delay = message.Delay + Moment };
            }

            messages.Add(message);
            if (Strikes("duplicated", place, options.Duplicates, message.Envelope))
            {
                duplicates.Add(FaultyContents.Again(message));
            }
        }

        return [.. messages, .. duplicates];
    }

    /// <summary>The delivery as the Core gets it: what comes again after a dropped ack is a redelivery.</summary>
    public Delivery HandOut(Delivery delivery)
    {
        lock (_gate)
        {
            var copies = CopiesOf(delivery);
            var (copy, redeliveries) = copies.Returning.TryDequeue(out var returned) ? returned : (++copies.Count, 0);
            return new Redelivered(delivery, copy, Math.Max(redeliveries, delivery.Redeliveries)) { Defect = delivery.Defect };
        }
    }

    /// <summary>The settlement as the transport gets it. A broker that does not hear of an ack has the message back in the end; here, at once.</summary>
    public Settlement Settle(Settlement settlement)
    {
        var struck = (Redelivered)settlement.Delivery;
        var delivery = Redelivered.Unwrap(struck);
        if (settlement.Kind == SettlementKind.Release || (settlement.Kind == SettlementKind.Ack && DropsAck(struck)))
        {
            lock (_gate)
            {
                CopiesOf(delivery).Returning.Enqueue((struck.Copy, struck.Redeliveries + (settlement.Kind == SettlementKind.Ack ? 1 : 0)));
            }

            return Settlement.Release(delivery);
        }

        return settlement.Kind switch
        {
            SettlementKind.Ack => Settlement.Ack(delivery),
            SettlementKind.Retry => Settlement.Retry(delivery, settlement.Delay),
            _ => Settlement.DeadLetter(delivery, settlement.Info!),
        };
    }

    /// <summary>Copies of one message are alike: which of them is quicker decides nothing.</summary>
    private bool DropsAck(Redelivered delivery)
    {
        lock (_gate)
        {
            var place = _places.GetValueOrDefault(delivery.Envelope.Id);
            var ack = Hash(place, $"{delivery.Queue}/{delivery.Envelope.Attempt}/{delivery.Copy}/{delivery.Redeliveries}");
            return Strikes("ack dropped", ack, options.DroppedAcks, delivery.Envelope);
        }
    }

    private Copies CopiesOf(Delivery delivery)
    {
        var key = (delivery.Queue, delivery.Envelope.Id, delivery.Envelope.Attempt);
        if (!_copies.TryGetValue(key, out var copies))
        {
            _copies[key] = copies = new();
        }

        return copies;
    }

    /// <summary>A message's place in the run, the same each time: which one of its type and destination it is among those of the same cause.</summary>
    private ulong PlaceOf(in OutgoingMessage message)
    {
        lock (_gate)
        {
            var envelope = message.Envelope;
            if (!_places.TryGetValue(envelope.Id, out var place))
            {
                var cause = envelope.CausationId is { } id ? _places.GetValueOrDefault(id) : 0;
                var line = Hash(cause, $"{envelope.Type}/{message.Destination}");
                var count = _counts[line] = _counts.GetValueOrDefault(line) + 1;
                _places[envelope.Id] = place = Mix(line + count);
            }

            return place;
        }
    }

    private bool Strikes(string what, ulong place, double share, Envelope envelope)
    {
        if (share <= 0 || Share(what, place) >= share)
        {
            return false;
        }

        timeline.Add(new Note("chaos", what, envelope.Id, envelope.Type));
        return true;
    }

    /// <summary>From 0 to 1, evenly spread.</summary>
    private double Share(string what, ulong place) => (Hash(Mix(place ^ (ulong)seed), what) >> 11) * (1.0 / (1ul << 53));

    /// <summary>FNV-1a: the same in every process, unlike the hash codes of strings.</summary>
    private static ulong Hash(ulong from, string text)
    {
        Span<byte> start = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(start, from);
        var hash = 14695981039346656037ul;
        foreach (var one in (ReadOnlySpan<byte>)[.. start, .. Encoding.UTF8.GetBytes(text)])
        {
            hash = (hash ^ one) * 1099511628211ul;
        }

        return Mix(hash);
    }

    /// <summary>Spreads the bits (the finalizer of MurmurHash3).</summary>
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdul;
        value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ul;
        return value ^ (value >> 33);
    }

    /// <summary>The copies of one message in one queue that were handed out.</summary>
    private sealed class Copies
    {
        public int Count { get; set; }

        /// <summary>Which of them come again, as which redelivery.</summary>
        public Queue<(int Copy, int Redeliveries)> Returning { get; } = new();
    }
}
