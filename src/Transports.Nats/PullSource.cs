using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Postrider.Transports.Nats;

/// <summary>A consumer on the server from which messages are pulled, and what of the pulls is still open. Guarded by its owner's lock.</summary>
/// <param name="stream">The stream.</param>
/// <param name="consumer">The consumer.</param>
/// <param name="reply">Where answers go.</param>
/// <param name="ackWait">How long the server waits for a sign.</param>
internal sealed class PullSource(string stream, string consumer, string reply, TimeSpan ackWait)
{
    /// <summary>How much later than its end a pull is taken for over although the server has not said so.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly string _next = JetStreamApi.NextSubject(stream, consumer);
    private long _oldest;
    private long _lastEnds;

    public string Stream { get; } = stream;

    public TimeSpan AckWait { get; } = ackWait;

    /// <summary>How many messages the server may still send unasked.</summary>
    public int Outstanding { get; private set; }

    /// <summary>Whatever comes now was handed out after this moment.</summary>
    public long OldestPull => _oldest;

    /// <summary>How many to ask for so that up to so many may come. None while most of them may come already: many small pulls cost more than the messages.</summary>
    public int Wanting(int max)
    {
        var missing = Math.Max(0, max - Outstanding);
        return missing >= max / 4 ? missing : 0;
    }

    /// <summary>Notes a pull that is about to be sent.</summary>
    public void Begin(int count, TimeSpan expiry)
    {
        var now = Stopwatch.GetTimestamp();
        // Pulls that were sent longer ago than they last are over.
        var earliest = now - Ticks(expiry) - Ticks(Grace);
        _oldest = Outstanding == 0 ? now : Math.Max(_oldest, earliest);
        Outstanding += count;
        _lastEnds = now + Ticks(expiry + Grace);
    }

    public ValueTask SendAsync(Link link, int count, TimeSpan expiry, CancellationToken cancellationToken)
    {
        var body = string.Create(CultureInfo.InvariantCulture, $$"""{"batch":{{count}},"expires":{{expiry.Ticks * 100}}}""");
        return link.WriteAsync(_next, Encoding.ASCII.GetBytes(body), null, reply, cancellationToken);
    }

    /// <summary>A message came.</summary>
    public void Took() => Outstanding = Math.Max(0, Outstanding - 1);

    /// <summary>A pull is over.</summary>
    /// <param name="headers">Which may say how many of it were not sent.</param>
    public void Ended(ReadOnlySpan<byte> headers)
    {
        var left = Outstanding;
        while (Headers.Line(ref headers, out var line))
        {
            if (Headers.Split(line, out var name, out var value) && name.SequenceEqual("Nats-Pending-Messages"u8)
                && Utf8Parser.TryParse(value, out int pending, out _))
            {
                left = pending;
            }
        }

        Outstanding = Math.Max(0, Outstanding - left);
    }

    /// <summary>Nothing more can come.</summary>
    public void Clear() => Outstanding = 0;

    /// <summary>Forgets pulls of which the server should have told the end long ago.</summary>
    public void ClearLost()
    {
        if (Outstanding > 0 && Stopwatch.GetTimestamp() > _lastEnds)
        {
            Outstanding = 0;
        }
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);
}
