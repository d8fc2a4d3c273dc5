using System.Collections.Concurrent;
using System.Globalization;
using Postrider.Core.Publishing;

namespace Postrider.Core.Tests.Publishing;

/// <summary>Ids of messages are UUIDs of version 7 (RFC 9562, section 5.7).</summary>
public sealed class MessageIdsTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero);

    [Fact]
    public void Version_and_variant_are_those_of_the_RFC()
    {
        // More than are made of one portion of randomness.
        for (var i = 0; i < 2000; i++)
        {
            var id = MessageIds.New(Now);
            Assert.Matches("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", id);
            Assert.Equal(7, Guid.Parse(id).Version);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1_645_557_742_000)]
    [InlineData(253_402_300_799_999)]
    public void The_first_48_bits_are_the_milliseconds_since_1970(long milliseconds)
    {
        var id = MessageIds.New(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));
        Assert.Equal(milliseconds, long.Parse(id.Replace("-", "", StringComparison.Ordinal)[..12], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Ids_of_later_milliseconds_sort_after()
    {
        var ids = Enumerable.Range(0, 5000).Select(i => MessageIds.New(Now.AddMilliseconds(i))).ToArray();
        Assert.Equal(ids, ids.Order(StringComparer.Ordinal));
        Assert.Equal(ids, ids.OrderBy(Guid.Parse));
    }

    [Fact]
    public void All_other_bits_are_random()
    {
        var (ones, zeros) = (default(UInt128), default(UInt128));
        for (var i = 0; i < 2000; i++)
        {
            var id = UInt128.Parse(MessageIds.New(Now).Replace("-", "", StringComparison.Ordinal), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            (ones, zeros) = (ones | id, zeros | ~id);
        }

        Assert.Equal(UInt128.Parse("0FFF3FFFFFFFFFFFFFFF", NumberStyles.HexNumber, CultureInfo.InvariantCulture), ones & zeros);
    }

    [Fact]
    public void A_hundred_thousand_of_four_threads_in_one_millisecond_are_all_different()
    {
        var all = new ConcurrentBag<string[]>();
        var threads = Enumerable.Range(0, 4).Select(_ => new Thread(() => all.Add([.. Enumerable.Range(0, 25_000).Select(_ => MessageIds.New(Now))]))).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.Equal(100_000, all.SelectMany(ids => ids).ToHashSet(StringComparer.Ordinal).Count);
    }
}
