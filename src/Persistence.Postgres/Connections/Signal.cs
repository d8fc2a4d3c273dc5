namespace Postrider.Persistence.Postgres;

/// <summary>Wakes one who waits. Set before the wait, it wakes the next one.</summary>
internal class Signal : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0, 1);

    public void Set()
    {
        try
        {
            _signal.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // It is awake, or gone.
        }
    }

    public Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken) => _signal.WaitAsync(atMost, cancellationToken);

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        _signal.Dispose();
    }
}
