using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What handlers saw, in order, to be waited for. Thread-safe.</summary>
internal sealed class Happenings<T>(TimeProvider time, TimeSpan patience)
{
    private readonly List<T> _seen = [];
    private readonly Lock _gate = new();
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<T> Seen
    {
        get
        {
            lock (_gate)
            {
                return [.. _seen];
            }
        }
    }

    public void Add(T happening)
    {
        TaskCompletionSource more;
        lock (_gate)
        {
            _seen.Add(happening);
            (more, _more) = (_more, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        more.SetResult();
    }

    /// <summary>Waits until there are so many.</summary>
    public async Task<IReadOnlyList<T>> ReachAsync(int count)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            Task more;
            lock (_gate)
            {
                if (_seen.Count >= count)
                {
                    return [.. _seen];
                }

                more = _more.Task;
            }

            try
            {
                var left = patience - time.GetElapsedTime(start);
                await more.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                Assert.Fail($"Within {patience} only {Seen.Count} of {count} happened: {string.Join(", ", Seen.TakeLast(20))}.");
            }
        }
    }
}
