namespace Postrider.Persistence.Postgres;

/// <summary>Something that must be there before the first use. All who wait share one attempt and its error, so that a server that does not answer costs one time-out and not one each.</summary>
internal abstract class PreparedOnce : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Task? _preparing;
    private volatile bool _ready;

    /// <summary>Looks again at the next use.</summary>
    public void Forget() => _ready = false;

    /// <summary>Whoever cancels ends his waiting only.</summary>
    public ValueTask EnsureAsync(CancellationToken cancellationToken) =>
        _ready ? ValueTask.CompletedTask : new(PrepareOnce().WaitAsync(cancellationToken));

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        _stop.Cancel();
        _stop.Dispose();
    }

    /// <summary>Makes it exist. May be called again, one call after another.</summary>
    protected abstract Task PrepareAsync(CancellationToken cancellationToken);

    private Task PrepareOnce()
    {
        lock (_lock)
        {
            if (_preparing is null or { IsCompleted: true })
            {
                var token = _stop.Token;
                _preparing = Task.Run(
                    async () =>
                    {
                        await PrepareAsync(token).ConfigureAwait(false);
                        _ready = true;
                    },
                    token);
            }

            return _preparing;
        }
    }
}
