using Microsoft.Extensions.Logging;

namespace Postrider.Transports.Nats;

/// <summary>
/// Keeps the bucket small: whoever writes looks at some of its messages now and then, one after another, declares deleted whose time is over, and removes the words of old deletes.
/// At least as many are looked at as are written, so what is over does not pile up, whatever its keys are.
/// </summary>
/// <remarks>
/// Safe when many do it: a delete compares and sets, and a removal goes up to the sequence that was seen. The last message of the stream always stays, so that the stream's
/// sequence is never in doubt, also after a kill.
/// </remarks>
internal sealed class StateSweep(StateBucket bucket, ServerClock clock, ILogger log, TimeSpan keepDeleted) : IAsyncDisposable
{
    /// <summary>Much longer than it takes anybody who watches to hear of a delete, or to find out that he hears nothing (<see cref="StateFeed.Silence"/>).</summary>
    public static readonly TimeSpan UsualStay = TimeSpan.FromMinutes(1);

    private const int Writes = 32;
    private const int Looks = 64;
    private const string Doing = "clean the state store";
    private readonly CancellationTokenSource _stop = new();
    // Processes that end after a few writes take their turn too.
    private int _written = Random.Shared.Next(Writes);
    private int _isRunning;
    private ulong _seen;
    private Task _running = Task.CompletedTask;

    public void Written()
    {
        if (Interlocked.Increment(ref _written) % Writes == 0 && !_stop.IsCancellationRequested && Interlocked.Exchange(ref _isRunning, 1) == 0)
        {
            _running = Task.Run(RunAsync);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Looks at the next messages.</summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        StoredState? old = null;
        for (var i = 0; i < Looks; i++)
        {
            if (await bucket.NextAsync(_seen, Doing, cancellationToken).ConfigureAwait(false) is not { } next)
            {
                _seen = 0;
                return;
            }

            (_seen, var found) = next;
            if (old is not null)
            {
                // It is not the last of the stream.
                await bucket.PurgeAsync(old.Key, old.Sequence, Doing, cancellationToken).ConfigureAwait(false);
                old = null;
            }

            if (found is { IsDeleted: true })
            {
                await clock.RefreshAsync(cancellationToken).ConfigureAwait(false);
                old = clock.Since(found.StoredAt) >= keepDeleted ? found : null;
            }
            else if (found is not null && await clock.IsOverAsync(found, cancellationToken).ConfigureAwait(false))
            {
                await bucket.DeleteAsync(found.Key, found.Sequence, Doing, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await SweepAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Somebody does it another time.
            if (!_stop.IsCancellationRequested)
            {
                log.SweepFailed(bucket.Name, e);
            }
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }
}
