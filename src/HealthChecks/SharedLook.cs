namespace Postrider.HealthChecks;

/// <summary>What was seen, fresh enough for all who ask; one look at a time.</summary>
internal sealed class SharedLook<T>(Func<Task<T>> look, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private Task<T>? _last;
    private long _at;

    /// <exception cref="OperationCanceledException">The caller waits no longer; the look goes on for the others.</exception>
    public Task<T> GetAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_last is null || (_last.IsCompleted && (!_last.IsCompletedSuccessfully || time.GetElapsedTime(_at) >= Fresh)))
            {
                (_last, _at) = (Task.Run(look, CancellationToken.None), time.GetTimestamp());
            }

            return _last.WaitAsync(cancellationToken);
        }
    }
}
