namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>An ack that stands for many never stands for one that is not settled.</summary>
public sealed class UnsettledTagsTests
{
    private readonly UnsettledTags _tags = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2, 1)]
    [InlineData(4, 1, 2, 3)]
    [InlineData(2, 1, 3, 4)]
    [InlineData(4, 1, 2, 3, 5, 6, 9)]
    [InlineData(1, 2, 3, 4)]
    public void It_ends_at_the_first_hole(int first, params int[] batch) => Assert.Equal((ulong)first, FirstAfter(batch));

    [Fact]
    public void What_was_settled_before_is_no_hole()
    {
        Settle(2, 5);

        Assert.Equal(3u, FirstAfter(1));
        Assert.Equal(6u, FirstAfter(1, 3, 4));
        Assert.Equal(1u, FirstAfter(3, 4));
        Settle(1);
        Assert.Equal(3u, FirstAfter());
        Assert.Equal(6u, FirstAfter(3, 4));
        Assert.Equal(4u, FirstAfter(3, 6));
    }

    [Fact]
    public void Settled_out_of_order_they_count_once_the_holes_are_filled()
    {
        Settle(5, 3, 2, 4);
        Assert.Equal(1u, FirstAfter());
        Settle(1);
        Assert.Equal(6u, FirstAfter());
        Assert.Equal(7u, FirstAfter(6));
        // What is over does not harm.
        Assert.Equal(6u, FirstAfter(1, 2, 3));
        Assert.Equal(8u, FirstAfter(1, 3, 6, 7));
    }

    [Fact]
    public void To_ask_settles_nothing()
    {
        Assert.Equal(4u, FirstAfter(1, 2, 3));

        Assert.Equal(1u, FirstAfter());
        Assert.Equal(1u, FirstAfter(4));
        Assert.Equal(2u, FirstAfter(1, 4));
    }

    [Fact]
    public void What_is_taken_and_not_settled_is_counted()
    {
        for (var i = 0; i < 5; i++)
        {
            _tags.Take();
        }

        Settle(4, 1);
        Assert.Equal(3, _tags.Taken);
        Settle(2, 3, 5);
        Assert.Equal(0, _tags.Taken);
    }

    [Fact]
    public void In_any_order_and_in_any_batches_nothing_is_covered_that_was_not_told()
    {
        var random = new Random(4711);
        for (var round = 0; round < 200; round++)
        {
            var (tags, order) = (new UnsettledTags(), Enumerable.Range(1, 100).Select(i => (ulong)i).ToArray());
            random.Shuffle(order);
            var told = new HashSet<ulong>();
            for (var at = 0; at < order.Length;)
            {
                var batch = order.Skip(at).Take(random.Next(1, 20)).Order().ToArray();
                at += batch.Length;
                var first = tags.FirstAfter(batch);
                told.UnionWith(batch);
                Assert.DoesNotContain(first, told);
                Assert.All(Enumerable.Range(1, (int)first - 1), tag => Assert.Contains((ulong)tag, told));
                random.Shuffle(batch);
                Array.ForEach(batch, tags.Settle);
            }

            Assert.Equal(101u, tags.FirstAfter([]));
        }
    }

    private ulong FirstAfter(params int[] batch) => _tags.FirstAfter(Array.ConvertAll(batch, tag => (ulong)tag));

    private void Settle(params int[] tags) => Array.ForEach(tags, tag => _tags.Settle((ulong)tag));
}
