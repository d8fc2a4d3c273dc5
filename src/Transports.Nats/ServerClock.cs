using System.Diagnostics;

namespace Postrider.Transports.Nats;

/// <summary>
/// The server's time, by which delays are counted, and never later than it really is there: a message is written and read back, and the time at which
/// the server stored it has passed when the answer is here.
/// </summary>
internal sealed class ServerClock(JetStreamApi api, Subjects subjects) : IDisposable
{
    private const string Doing = "ask for the time";
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _one = new(1, 1);
    private long _askedAt;
    private long _nanoseconds;

    /// <summary>Asks the server if the last answer is not fresh.</summary>
    public async ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_askedAt != 0 && Stopwatch.GetElapsedTime(_askedAt) < Fresh)
            {
                return;
            }

            await api.PutAsync(subjects.Clock, default, null, Doing, cancellationToken).ConfigureAwait(false);
            var answer = await api.GetMessageAsync(subjects.BindingsStream, $$"""{"last_by_subj":"{{subjects.Clock}}"}""", Doing, cancellationToken).ConfigureAwait(false);
            var now = Stopwatch.GetTimestamp();
            var stored = answer.OrThrow(Doing, api.Links.Where).Root.GetProperty("message").GetProperty("time").GetDateTimeOffset();
            Volatile.Write(ref _nanoseconds, (stored - DateTimeOffset.UnixEpoch).Ticks * 100);
            Volatile.Write(ref _askedAt, now);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>How much of a delay is left, at most.</summary>
    public TimeSpan Left(TimeSpan delay, long storedAt)
    {
        var now = Volatile.Read(ref _nanoseconds) + (Stopwatch.GetElapsedTime(Volatile.Read(ref _askedAt)).Ticks * 100);
        // A little more, as times are cut to ticks.
        return delay - TimeSpan.FromTicks((now - storedAt) / 100) + TimeSpan.FromTicks(20);
    }

    public void Dispose() => _one.Dispose();
}
