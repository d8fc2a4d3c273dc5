using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Storefront;

/// <summary>
/// Who still owes what: each published order is written down once for each consumer, and struck out when that consumer has handled it or
/// it was found in that consumer's dead-letter queue. What is left at the end is unaccounted for. Thread-safe.
/// </summary>
public sealed class Accounting(TimeProvider time) : IDisposable
{
    /// <summary>How many orders may be under way: enough to keep every consumer busy, few enough for any length of input.</summary>
    private const int MostUnderWay = 1000;

    private const string RunHeader = "run";
    private const string LineHeader = "line";

    private readonly string _run = Guid.CreateVersion7(time.GetUtcNow()).ToString("N");
    private readonly SemaphoreSlim _room = new(MostUnderWay);
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ConsumerAccount> _accounts = new(StringComparer.Ordinal);
    private readonly List<string> _refusals = [];
    private long _started = time.GetTimestamp();
    private long _lastProgress;
    private TimeSpan? _elapsed;
    private long _published;
    private long _notPublished;
    private long _blank;
    private bool _inputEnded;

    /// <summary>Begins, with an account for each queue: every order goes to every one of them.</summary>
    public void Open(IEnumerable<string> queues)
    {
        lock (_gate)
        {
            foreach (var queue in queues.Order(StringComparer.Ordinal))
            {
                _accounts.Add(queue, new(queue));
            }

            _started = _lastProgress = time.GetTimestamp();
        }
    }

    /// <summary>They tell this run's messages from those that an earlier one left on the broker.</summary>
    public IReadOnlyDictionary<string, string> HeadersOf(long line) => new Dictionary<string, string>
    {
        [RunHeader] = _run,
        [LineHeader] = line.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>The order of this line is about to be published. Waits while too many are under way.</summary>
    public async ValueTask BeginAsync(long line, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        lock (_gate)
        {
            _published++;
            _lastProgress = time.GetTimestamp();
            foreach (var account in _accounts.Values)
            {
                account.Outstanding.Add(line);
            }
        }
    }

    public void NotPublished(long line, string why)
    {
        lock (_gate)
        {
            _published--;
            _notPublished++;
            if (_refusals.Count < 5)
            {
                _refusals.Add($"Line {line} was not published. {why}");
            }

            foreach (var account in _accounts.Values)
            {
                account.Outstanding.Remove(line);
            }

            Progressed(line);
        }
    }

    public void Skip() => Interlocked.Increment(ref _blank);

    public void InputEnded()
    {
        lock (_gate)
        {
            _inputEnded = true;
            Progressed();
        }
    }

    /// <summary>The middleware around all consumers: it sees each attempt and what came of it.</summary>
    public async ValueTask<Outcome> WatchAsync(ConsumeDelegate next, ConsumeContext context)
    {
        var line = LineOf(context.Envelope);
        if (line is not null && context.Attempt > 1)
        {
            Retried(context.Queue);
        }

        var outcome = await next(context);
        if (line is { } ours && outcome.Kind == OutcomeKind.Ack)
        {
            Handled(context.Queue, ours, context.Attempt, time.GetUtcNow() - (context.Envelope.SentAt ?? time.GetUtcNow()));
        }

        return outcome;
    }

    /// <summary>A message was found in a dead-letter queue.</summary>
    public void DeadLettered(string queue, Envelope envelope)
    {
        if (LineOf(envelope) is { } line && envelope.DeadLetter is { } letter)
        {
            lock (_gate)
            {
                var account = _accounts[queue];
                account.DeadLetters++;
                var (count, first) = account.Reasons.GetValueOrDefault(letter.Reason, (0, (long.MaxValue, null)));
                account.Reasons[letter.Reason] = (count + 1, line < first.Line ? (line, letter.Description) : first);
                Strike(account, line);
            }
        }
    }

    /// <summary>Waits until everything is accounted for. False if nothing has moved for so long although orders are under way.</summary>
    public async Task<bool> CompleteAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await _done.Task.WaitAsync(patience, time, cancellationToken);
                return true;
            }
            catch (TimeoutException) when (!IsStuck(patience))
            {
                // Slow, but moving; or the input is slow.
            }
            catch (TimeoutException)
            {
                return false;
            }
        }
    }

    /// <summary>The figures as they stand.</summary>
    public Figures Read()
    {
        lock (_gate)
        {
            return new(_published, _notPublished, Interlocked.Read(ref _blank), _elapsed ?? time.GetElapsedTime(_started),
                [.. _accounts.Values.Select(account => account.Read())], [.. _refusals]);
        }
    }

    public void Dispose() => _room.Dispose();

    private bool IsStuck(TimeSpan patience)
    {
        lock (_gate)
        {
            return _accounts.Values.Any(account => account.Outstanding.Count > 0) && time.GetElapsedTime(_lastProgress) >= patience;
        }
    }

    private void Retried(string queue)
    {
        lock (_gate)
        {
            _accounts[queue].Retries++;
            _lastProgress = time.GetTimestamp();
        }
    }

    private void Handled(string queue, long line, int attempt, TimeSpan latency)
    {
        lock (_gate)
        {
            var account = _accounts[queue];
            account.Handled++;
            account.Latency.Add(latency);
            if (attempt == 1)
            {
                account.FirstAttempts.Add(latency);
            }

            Strike(account, line);
        }
    }

    private void Strike(ConsumerAccount account, long line)
    {
        if (account.Outstanding.Remove(line))
        {
            Progressed(line);
        }
        else
        {
            account.Duplicates++;
        }
    }

    private void Progressed(long? line = null)
    {
        _lastProgress = time.GetTimestamp();
        if (line is { } one && _accounts.Values.All(account => !account.Outstanding.Contains(one)))
        {
            _room.Release();
        }

        if (_inputEnded && _accounts.Values.All(account => account.Outstanding.Count == 0))
        {
            _elapsed ??= time.GetElapsedTime(_started);
            _done.TrySetResult();
        }
    }

    private long? LineOf(Envelope envelope) =>
        envelope.Headers.GetValueOrDefault(RunHeader) == _run
        && long.TryParse(envelope.Headers.GetValueOrDefault(LineHeader), CultureInfo.InvariantCulture, out var line)
            ? line
            : null;
}
