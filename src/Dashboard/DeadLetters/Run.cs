namespace Postrider.Dashboard.DeadLetters;

/// <summary>One change that somebody asked for: it goes on without him, and tells how far it is. Thread-safe.</summary>
internal sealed class Run(string what, View view, string user, DateTimeOffset began, CancellationTokenSource stop) : IProgress<long>, IDisposable
{
    private long _done;
    private long _gone;

    public string Id { get; } = Guid.NewGuid().ToString("N");

    /// <summary>In words, for the page and the log.</summary>
    public string What => what;

    public View View => view;

    public string User => user;

    public DateTimeOffset Began => began;

    /// <summary>Completes when it is over; never fails.</summary>
    public Task Over { get; set; } = Task.CompletedTask;

    public bool IsOver => Over.IsCompleted;

    /// <summary>Why it ended before it was through, or null.</summary>
    public string? Error { get; set; }

    public long Done => Volatile.Read(ref _done);

    /// <summary>Those that somebody else had taken away before.</summary>
    public long Gone => Volatile.Read(ref _gone);

    public CancellationToken Stopping { get; } = stop.Token;

    public void Report(long value) => Volatile.Write(ref _done, value);

    /// <summary>One more: done, or gone already.</summary>
    public void Count(bool done) => Interlocked.Increment(ref done ? ref _done : ref _gone);

    /// <summary>Ends it between two letters.</summary>
    public void Stop()
    {
        try
        {
            stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }

    public void Dispose() => stop.Dispose();
}
