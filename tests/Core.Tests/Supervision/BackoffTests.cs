using Postrider.Core.Supervision;

namespace Postrider.Core.Tests.Supervision;

public sealed class BackoffTests
{
    [Fact]
    public void Pauses_double_up_to_the_cap_and_begin_anew_after_a_success()
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1));
        foreach (var most in (int[])[100, 200, 400, 800, 1000, 1000])
        {
            Assert.InRange(backoff.Next(), TimeSpan.FromMilliseconds(most / 2), TimeSpan.FromMilliseconds(most));
        }

        backoff.Reset();
        Assert.InRange(backoff.Next(), TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(100));
    }

    /// <summary>A hundred hosts that lost the broker at the same moment do not all come back at the same moment.</summary>
    [Fact]
    public void Many_hosts_are_spread_over_half_of_the_pause()
    {
        var pauses = Enumerable.Range(0, 100).Select(static _ => new Backoff(TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(4)).Next()).ToArray();

        foreach (var quarter in Enumerable.Range(0, 4))
        {
            var from = TimeSpan.FromSeconds(2 + (quarter * 0.5));
            Assert.Contains(pauses, pause => pause >= from && pause <= from + TimeSpan.FromSeconds(0.5));
        }
    }
}
