using System.Diagnostics;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>
/// The server's time, by which delays are counted, and never later than it really is there: a message is written and read back, and the time at which
/// the server stored it has passed when the answer is here.
/// </summary>
/// <param name="api">The server.</param>
/// <param name="stream">The stream in which the message is.</param>
/// <param name="subject">Its subject, of which the stream keeps the last.</param>
/// <param name="header">A header that it has.</param>
internal sealed class ServerClock(JetStreamApi api, string stream, string subject, (string Name, string Value)? header = null) : IDisposable
{
    private const string Doing = "ask for the time";
    private readonly SemaphoreSlim _one = new(1, 1);
    private volatile ServerTime? _last;

    /// <summary>Asks the server if the last answer is not fresh.</summary>
    public async ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_last is { } last && last.IsFresh(Stopwatch.GetTimestamp()))
            {
                return;
            }

            var headers = new NatsHeaders();
            if (header is { } one)
            {
                headers[one.Name] = one.Value;
            }

            var sent = Stopwatch.GetTimestamp();
            _ = await api.StoreAsync(subject, default, headers, Doing, cancellationToken).ConfigureAwait(false) ?? throw NatsErrors.Lost(Doing, api.Links.Where);
            var answer = await api.GetMessageAsync(stream, $$"""{"last_by_subj":"{{subject}}"}""", Doing, cancellationToken).ConfigureAwait(false);
            var now = Stopwatch.GetTimestamp();
            var stored = answer.OrThrow(Doing, api.Links.Where).Root.GetProperty("message").GetProperty("time").GetDateTimeOffset();
            _last = ServerTime.Told((stored - DateTimeOffset.UnixEpoch).Ticks * 100, sent, now, _last);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>How much of a delay is left, at most.</summary>
    public TimeSpan Left(TimeSpan delay, long storedAt) => delay - Since(storedAt);

    /// <summary>How long ago something was stored, at least.</summary>
    public TimeSpan Since(long storedAt)
    {
        var now = _last?.At(Stopwatch.GetTimestamp()) ?? 0;
        // A little less, as times are cut to ticks.
        return TimeSpan.FromTicks(((now - storedAt) / 100) - 20);
    }

    public void Dispose() => _one.Dispose();
}
