namespace Postrider.Persistence.Postgres;

/// <summary>Removes expired rows beside the calls: a bounded number, at most once a minute, or with each put while there are more.</summary>
internal sealed class StateCleaning
{
    private const int Most = 500;

    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private Task _running = Task.CompletedTask;
    private long _next = TimeProvider.System.GetTimestamp();

    /// <param name="remove">Removes at most so many, and tells whether there may be more.</param>
    public void NowAndThen(Func<int, Task<bool>> remove)
    {
        var now = TimeProvider.System.GetTimestamp();
        if (now < Volatile.Read(ref _next))
        {
            return;
        }

        lock (_lock)
        {
            if (_running.IsCompleted && now >= _next)
            {
                _running = RemoveAsync(remove);
            }
        }
    }

    public Task EndAsync()
    {
        lock (_lock)
        {
            return _running;
        }
    }

    private async Task RemoveAsync(Func<int, Task<bool>> remove)
    {
        await Task.Yield();
        var thereIsMore = false;
        try
        {
            thereIsMore = await remove(Most).ConfigureAwait(false);
        }
        catch (Exception e) when (e is MessagingException or ObjectDisposedException)
        {
            // A later one does it. Calls tell what is wrong with the server.
        }

        Volatile.Write(ref _next, TimeProvider.System.GetTimestamp() + (thereIsMore ? 0 : (long)(Pause.TotalSeconds * TimeProvider.System.TimestampFrequency)));
    }
}
