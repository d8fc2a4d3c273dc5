using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>
/// One queue: messages that are visible, delayed, or handed out under a lease. This file puts in and hands out; the other one settles.
/// </summary>
/// <remarks>
/// Everything is guarded by one lock, under which only a dead-letter queue's lock is ever taken. Nothing happens at the moment when a lease
/// ends or a delay is over: that is looked at when somebody wants messages, and a timer runs only while somebody waits for them.
/// </remarks>
internal sealed partial class InMemoryQueue
{
    private const int MostUnused = 1024;
    private readonly Lock _gate = new();
    private readonly InMemoryBroker _broker;
    private readonly BrokerClock _clock;
    private readonly ITimer _timer;

    private readonly VisibleMessages _visible = new();
    private readonly PriorityQueue<StoredMessage, (long Due, long Order)> _delayed = new();
    private readonly List<QueueReader> _readers = [];
    private readonly LinkedList<QueueReader> _waiting = new();
    private StoredMessage? _unused;
    private int _unusedCount;
    private long _lastNumber;
    private long _lastPosition;
    private long _lastDelayed;
    private long _timerDue = BrokerClock.Never;
    private bool _deleted;

    /// <summary>An empty queue.</summary>
    public InMemoryQueue(string name, InMemoryBroker broker, BrokerClock clock)
    {
        Name = name;
        _broker = broker;
        _clock = clock;
        _timer = clock.CreateTimer(static state => ((InMemoryQueue)state!).OnTimer(), this);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Puts a message in. The envelope must be the broker's own. False if the queue was deleted.</summary>
    public bool TryAdd(Envelope envelope, TimeSpan delay)
    {
        lock (_gate)
        {
            if (_deleted)
            {
                return false;
            }

            var message = _unused ?? new StoredMessage();
            if (_unused is not null)
            {
                (_unused, message.Next) = (message.Next, null);
                _unusedCount--;
            }

            message.Envelope = envelope;
            message.Redeliveries = 0;
            message.Number = ++_lastNumber;
            Place(message, delay);
            return true;
        }
    }

    /// <summary>From now on messages of higher priorities go first.</summary>
    public void HavePriorities()
    {
        lock (_gate)
        {
            _visible.HavePriorities();
        }
    }

    /// <summary>A new receiver begins.</summary>
    public void Open(QueueReader reader)
    {
        lock (_gate)
        {
            ThrowIfDeleted();
            _readers.Add(reader);
        }
    }

    /// <summary>
    /// Takes what is visible, at most <paramref name="max"/> messages; an empty array if the reader was stopped. Null if there is nothing:
    /// the reader is then among the waiting, and calls again when its signal came.
    /// </summary>
    public Delivery[]? TakeOrWait(QueueReader reader, int max)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(reader.Closed, typeof(InMemoryReceiver));
            ThrowIfDeleted();
            if (reader.Stopped)
            {
                return [];
            }

            MakeVisible();
            var count = Math.Min(max, _visible.Count);
            if (count == 0)
            {
                reader.Reset();
                _waiting.AddLast(reader.Place);
                StartTimer();
                return null;
            }

            var taken = new Delivery[count];
            var due = _clock.After(reader.Lease);
            for (var i = 0; i < count; i++)
            {
                taken[i] = HandOut(_visible.Next(reader.Turns), reader, due);
            }

            WakeOne();
            StartTimer();
            return taken;
        }
    }

    /// <summary>Ends the reader's wait, if it waits. A signal that it got but does not use goes to the next one.</summary>
    public void EndWait(QueueReader reader)
    {
        lock (_gate)
        {
            if (reader.Place.List is not null)
            {
                _waiting.Remove(reader.Place);
                reader.Signal();
            }
            else
            {
                WakeOne();
            }
        }
    }

    /// <summary>The reader takes no more; if closed, it also settles no more, and what it holds comes back as its leases end.</summary>
    public void Stop(QueueReader reader, bool close)
    {
        lock (_gate)
        {
            reader.Stopped = true;
            reader.Closed |= close;
            if (reader.Closed && reader.Leased.Count == 0)
            {
                _readers.Remove(reader);
            }
        }

        EndWait(reader);
    }

    /// <summary>The end of the queue and its messages. Waiting readers are told.</summary>
    public void Delete()
    {
        lock (_gate)
        {
            _deleted = true;
            _timer.Dispose();
            while (_waiting.First is { } first)
            {
                _waiting.Remove(first);
                first.Value.Signal();
            }
        }
    }

    private InMemoryDelivery HandOut(StoredMessage message, QueueReader reader, long due)
    {
        message.List!.Remove(message);
        message.Token++;
        message.Due = due;
        reader.Leased.Add(message);
        return new InMemoryDelivery(this, message, reader);
    }

    private void ThrowIfDeleted()
    {
        if (_deleted)
        {
            throw new TransportException($"The queue '{Name}' was deleted.", TransportError.QueueNotFound);
        }
    }
}
