namespace Postrider.Core.Consuming;

/// <summary>
/// The slots that workers of several queues share. One that has work waits for a slot before it takes the message: nothing has begun by then, so no attempt is
/// burnt, leases are renewed as for all that waits in the window, and at the end it goes back untouched. Thread-safe.
/// </summary>
internal sealed class WorkerPool(string name, int concurrency, bool isStrict)
{
    private readonly Lock _lock = new();

    /// <summary>By the rank of the queue if that counts, then by who came first. Some may have given up.</summary>
    private readonly PriorityQueue<Turn, (int Rank, long Number)> _waiting = new();

    private int _busy;
    private long _number;

    public string Name { get; } = name;

    public PoolStatus Status
    {
        get
        {
            lock (_lock)
            {
                return new(concurrency, _busy, _waiting.UnorderedItems.Count(static one => !one.Element.Task.IsCompleted));
            }
        }
    }

    /// <summary>Waits for a slot.</summary>
    /// <returns>False if stopped meanwhile: there is none then.</returns>
    public ValueTask<bool> EnterAsync(int rank, CancellationToken stop)
    {
        lock (_lock)
        {
            if (_busy < concurrency)
            {
                _busy++;
                return new(true);
            }

            return WaitAsync(Enqueue(new(rank)), stop);
        }
    }

    /// <summary>Keeps the slot for more work, unless another queue comes first: then that one gets it, and this one waits.</summary>
    /// <returns>As of <see cref="EnterAsync"/>.</returns>
    public ValueTask<bool> GoOnAsync(int rank, CancellationToken stop)
    {
        lock (_lock)
        {
            for (var left = _waiting.Count; left > 0 && _waiting.TryPeek(out var first, out var place) && place.Rank <= PlaceOf(rank); left--)
            {
                if (!first.Task.IsCompleted && first.Rank != rank)
                {
                    var own = Enqueue(new(rank));
                    HandOn();
                    return WaitAsync(own, stop);
                }

                // Another worker of the same queue would do the same work: it goes on waiting, behind the others.
                _waiting.Dequeue();
                if (!first.Task.IsCompleted)
                {
                    Enqueue(first);
                }
            }

            return new(true);
        }
    }

    /// <summary>Gives the slot to whoever is next.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            HandOn();
        }
    }

    private static async ValueTask<bool> WaitAsync(Turn turn, CancellationToken stop)
    {
        using (stop.UnsafeRegister(static state => ((Turn)state!).TrySetResult(false), turn))
        {
            return await turn.Task.ConfigureAwait(false);
        }
    }

    private int PlaceOf(int rank) => isStrict ? rank : 0;

    private Turn Enqueue(Turn turn)
    {
        _waiting.Enqueue(turn, (PlaceOf(turn.Rank), _number++));
        return turn;
    }

    private void HandOn()
    {
        while (_waiting.TryDequeue(out var next, out _))
        {
            if (next.TrySetResult(true))
            {
                return;
            }
        }

        _busy--;
    }

    /// <param name="rank">That of its queue.</param>
    private sealed class Turn(int rank) : TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public int Rank { get; } = rank;
    }
}

/// <summary>A queue's place in its pool.</summary>
internal sealed record PoolPlace(WorkerPool Pool, int Rank)
{
    public ValueTask<bool> EnterAsync(CancellationToken stop) => Pool.EnterAsync(Rank, stop);

    public ValueTask<bool> GoOnAsync(CancellationToken stop) => Pool.GoOnAsync(Rank, stop);

    public void Leave() => Pool.Leave();
}
