using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>The messages of a queue that may be handed out: all in one order, or in one for each level of priority. Guarded by the queue's lock.</summary>
internal sealed class VisibleMessages
{
    private readonly Level _default = new();

    /// <summary>By level, with <see cref="_default"/> among them; null: the queue has no priorities.</summary>
    private Level[]? _levels;

    public int Count
    {
        get
        {
            if (_levels is null)
            {
                return _default.Count;
            }

            var count = 0;
            foreach (var level in _levels)
            {
                count += level.Count;
            }

            return count;
        }
    }

    /// <summary>Since when the oldest is ready, <see cref="BrokerClock.Never"/> if there is none.</summary>
    public long OldestSince
    {
        get
        {
            var oldest = BrokerClock.Never;
            foreach (var level in _levels ?? [_default])
            {
                oldest = Math.Min(oldest, level.First?.Since ?? BrokerClock.Never);
            }

            return oldest;
        }
    }

    /// <summary>From now on there are levels. What is there already goes to its own.</summary>
    public void HavePriorities()
    {
        if (_levels is not null)
        {
            return;
        }

        _levels = new Level[Priorities.Count];
        for (var i = 0; i < _levels.Length; i++)
        {
            _levels[i] = i == Priorities.Default ? _default : new();
        }

        Sort(_default.New, static level => level.New);
        Sort(_default.Returned, static level => level.Returned);
    }

    /// <summary>Adds one that is visible for the first time, or anew after a retry.</summary>
    public void Add(StoredMessage message) => LevelOf(message).New.Add(message);

    /// <summary>Adds one that was handed out, at its place.</summary>
    public void Return(StoredMessage message) => LevelOf(message).Returned.AddByPosition(message);

    /// <summary>Whether it is here again after a hand-out.</summary>
    public bool IsReturned(StoredMessage message) => message.List == LevelOf(message).Returned;

    /// <summary>The next to hand out; there must be one.</summary>
    public StoredMessage Next(PriorityTurns turns)
    {
        if (_levels is null)
        {
            return _default.First!;
        }

        var waiting = 0;
        for (var i = 0; i < _levels.Length; i++)
        {
            waiting |= _levels[i].Count > 0 ? 1 << i : 0;
        }

        return _levels[turns.Next(waiting)].First!;
    }

    /// <summary>Of all levels.</summary>
    public IEnumerable<StoredMessage> All() => (_levels ?? [_default]).SelectMany(static level => level.Returned.All().Concat(level.New.All()));

    private Level LevelOf(StoredMessage message) => _levels is null ? _default : _levels[Priorities.LevelOf(message.Envelope!)];

    private void Sort(MessageList from, Func<Level, MessageList> to)
    {
        for (var message = from.First; message is not null;)
        {
            var next = message.Next;
            if (LevelOf(message) is var level && level != _default)
            {
                from.Remove(message);
                to(level).Add(message);
            }

            message = next;
        }
    }

    private sealed class Level
    {
        /// <summary>Visible for the first time, in order.</summary>
        public MessageList New { get; } = new();

        /// <summary>Visible again after a hand-out, by position; they were before all of <see cref="New"/>, so they go first.</summary>
        public MessageList Returned { get; } = new();

        public int Count => New.Count + Returned.Count;

        public StoredMessage? First => Returned.First ?? New.First;
    }
}
