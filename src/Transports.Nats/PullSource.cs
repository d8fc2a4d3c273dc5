using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Postrider.Transports.Nats;

/// <summary>A consumer on the server from which messages are pulled, and what of the pulls is still open. Guarded by its owner's lock.</summary>
/// <remarks>
/// The server does not always tell when a pull ends: 2.9 drops one in silence whose time is over just when it has a message for it. So each has its end
/// here too. Soon after that more is asked for, and later it counts as over. And it cuts off whoever reads more slowly than it sends when 64 MiB wait
/// for him (<c>max_pending</c>), so what may be under way is limited in bytes too.
/// </remarks>
/// <param name="stream">The stream.</param>
/// <param name="consumer">The consumer.</param>
/// <param name="inbox">Where answers go, each source's with its tag at the end.</param>
/// <param name="tag">By which it is told apart from the others of its owner; of a level its digit.</param>
/// <param name="ackWait">How long the server waits for a sign.</param>
internal sealed class PullSource(string stream, string consumer, string inbox, char tag, TimeSpan ackWait)
{
    /// <summary>How long after the end of a pull nothing more is expected of it: the way to the server and back. If it comes later, more comes than was asked for.</summary>
    private static readonly long Soon = Ticks(TimeSpan.FromMilliseconds(50));

    /// <summary>How long after the end of a pull nothing more can come of it.</summary>
    private static readonly long Late = Ticks(TimeSpan.FromSeconds(2));

    /// <summary>
    /// How many pulls are open at most. With what each may bring at first, both sources of a receiver have 32 MiB under way at most.
    /// </summary>
    private const int MostOpen = 4;

    private const long FirstMaxBytes = 4 * 1024 * 1024;
    private const long LargestMaxBytes = 1024 * 1024 * 1024;

    private readonly string _reply = $"{inbox}.{tag}";
    private readonly string _next = JetStreamApi.NextSubject(stream, consumer);

    /// <summary>Those that have something left, in the order in which they were sent.</summary>
    private readonly List<Pull> _open = [];

    /// <summary>Those whose end was not told. They stay for what may come late.</summary>
    private readonly List<Pull> _overdue = [];

    private long _lastSent;
    private bool _isNow;

    /// <summary>How much one pull may bring, with subjects and headers.</summary>
    private long _maxBytes = FirstMaxBytes;

    public string Stream { get; } = stream;

    public char Tag { get; } = tag;

    public TimeSpan AckWait { get; } = ackWait;

    /// <summary>How many messages the server may still send unasked.</summary>
    public int Outstanding { get; private set; }

    /// <summary>How many messages came.</summary>
    public long Taken { get; private set; }

    /// <summary>Something may come of a pull whose end has not passed.</summary>
    public bool IsOpen => _open.Count > 0;

    /// <summary>The last pull that ended did so because a message was larger than what was left of it.</summary>
    public bool WasTooLarge { get; private set; }

    /// <summary>Whatever comes now was handed out after this moment.</summary>
    public long OldestPull
    {
        get
        {
            var oldest = _open.Count > 0 ? _open[0].Sent : Math.Min(_lastSent, Stopwatch.GetTimestamp() - Late);
            foreach (var pull in _overdue)
            {
                oldest = Math.Min(oldest, pull.Sent);
            }

            return oldest;
        }
    }

    /// <summary>How many to ask for so that up to so many may come. None while most of them may come already: many small pulls cost more than the messages.</summary>
    public int Wanting(int max)
    {
        ForgetLost();
        if (_open.Count >= MostOpen)
        {
            return 0;
        }

        var missing = max;
        foreach (var pull in _open)
        {
            missing -= pull.Left;
        }

        return missing > 0 && missing >= max / 4 ? missing : 0;
    }

    /// <summary>When there is something to do although nothing is heard: to ask again, or to take a pull for over.</summary>
    public long NextEnd()
    {
        var next = long.MaxValue;
        foreach (var pull in _open)
        {
            next = Math.Min(next, pull.Ends + Soon);
        }

        foreach (var pull in _overdue)
        {
            next = Math.Min(next, pull.Ends + Late);
        }

        return next;
    }

    /// <summary>Notes a pull that is about to be sent.</summary>
    /// <param name="count">How many it asks for.</param>
    /// <param name="expiry">How long it lasts, or may seem to last if it asks for what is there.</param>
    /// <param name="isNow">It asks for what is there, and no other is open.</param>
    public void Begin(int count, TimeSpan expiry, bool isNow = false)
    {
        var now = Stopwatch.GetTimestamp();
        _lastSent = now;
        _open.Add(new(now, now + Ticks(expiry), count));
        Outstanding += count;
        (_isNow, WasTooLarge) = (isNow, false);
    }

    public ValueTask SendAsync(Link link, int count, TimeSpan expiry, CancellationToken cancellationToken) =>
        SendAsync(link, string.Create(CultureInfo.InvariantCulture, $"\"expires\":{expiry.Ticks * 100}"), count, cancellationToken);

    /// <summary>Asks for what is there and no more.</summary>
    public ValueTask SendNowAsync(Link link, int count, CancellationToken cancellationToken) => SendAsync(link, "\"no_wait\":true", count, cancellationToken);

    private ValueTask SendAsync(Link link, string how, int count, CancellationToken cancellationToken)
    {
        var body = string.Create(CultureInfo.InvariantCulture, $$"""{"batch":{{count}},{{how}},"max_bytes":{{Volatile.Read(ref _maxBytes)}}}""");
        return link.WriteAsync(_next, Encoding.ASCII.GetBytes(body), null, _reply, cancellationToken);
    }

    /// <summary>A message came. Of which pull it is cannot be seen; one whose end has passed is most likely gone.</summary>
    public void Took()
    {
        Taken++;
        Subtract(1, _open, _overdue);
    }

    /// <summary>A pull is over: most likely the oldest.</summary>
    /// <param name="headers">Which may say how much of it was not sent.</param>
    /// <param name="inTime">Whether its time is up, and not that it was ended before.</param>
    public void Ended(ReadOnlySpan<byte> headers, bool inTime)
    {
        var left = Outstanding;
        WasTooLarge = headers.IndexOf("Message Size Exceeds MaxBytes"u8) >= 0;
        while (Headers.Line(ref headers, out var line))
        {
            if (!Headers.Split(line, out var name, out var value) || !Utf8Parser.TryParse(value, out long pending, out _))
            {
                continue;
            }

            if (name.SequenceEqual("Nats-Pending-Messages"u8))
            {
                left = (int)Math.Min(left, pending);
            }
            else if (WasTooLarge && pending == _maxBytes && name.SequenceEqual("Nats-Pending-Bytes"u8))
            {
                // Nothing came of it: one message alone is larger.
                Volatile.Write(ref _maxBytes, Math.Min(_maxBytes * 2, LargestMaxBytes));
            }
        }

        var late = inTime && !_isNow;
        Subtract(left, late ? _overdue : _open, late ? _open : _overdue);
    }

    /// <summary>Nothing more can come.</summary>
    public void Clear()
    {
        _open.Clear();
        _overdue.Clear();
        Outstanding = 0;
    }

    /// <summary>Expects nothing more of pulls whose end has passed, and takes them for over when that was long ago.</summary>
    public void ForgetLost()
    {
        var now = Stopwatch.GetTimestamp();
        for (var i = 0; i < _open.Count;)
        {
            if (_open[i].Ends + Soon <= now)
            {
                _overdue.Add(_open[i]);
                _open.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }

        for (var i = _overdue.Count - 1; i >= 0; i--)
        {
            if (_overdue[i].Ends + Late <= now)
            {
                Outstanding -= _overdue[i].Left;
                _overdue.RemoveAt(i);
            }
        }
    }

    private void Subtract(int count, List<Pull> first, List<Pull> then)
    {
        Outstanding = Math.Max(0, Outstanding - count);
        count = Subtract(count, first);
        Subtract(count, then);
    }

    /// <returns>What is left of the count.</returns>
    private static int Subtract(int count, List<Pull> pulls)
    {
        while (count > 0 && pulls.Count > 0)
        {
            var first = pulls[0];
            var taken = Math.Min(count, first.Left);
            first.Left -= taken;
            count -= taken;
            if (first.Left == 0)
            {
                pulls.RemoveAt(0);
            }
        }

        return count;
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private sealed class Pull(long sent, long ends, int left)
    {
        public long Sent { get; } = sent;

        public long Ends { get; } = ends;

        /// <summary>How many messages of it may still come.</summary>
        public int Left { get; set; } = left;
    }
}
