namespace Postrider.Core.Supervision;

/// <summary>Pauses that double up to a cap, each spread at random over its upper half so that many hosts do not come back at once.</summary>
internal struct Backoff(TimeSpan first, TimeSpan cap)
{
    private readonly TimeSpan _first = first;
    private TimeSpan _next = first;

    public TimeSpan Next()
    {
        var pause = _next * (0.5 + (Random.Shared.NextDouble() * 0.5));
        _next = _next * 2 < cap ? _next * 2 : cap;
        return pause;
    }

    public void Reset() => _next = _first;
}
