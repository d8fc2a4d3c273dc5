using System.Collections.Frozen;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Consuming;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>How many places a receiver has: few while handlers are slow, many while they are quick, and none lost in between.</summary>
public sealed class PrefetchWindowTests : IDisposable
{
    private const int First = 32;
    private const int Largest = 512;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    private readonly FakeTimeProvider _time = new();
    private readonly PrefetchWindow _window;

    public PrefetchWindowTests()
    {
        var queue = new ConsumerQueue
        {
            Name = "orders",
            Concurrency = 8,
            Lease = TimeSpan.FromSeconds(30),
            MaxRedeliveries = 4,
            ByType = FrozenDictionary<string, BuiltConsumer>.Empty,
        };
        Assert.Equal((First, Largest), (queue.FirstWindow, queue.LargestWindow));
        _window = new(queue, _time);
    }

    [Fact]
    public void It_begins_with_the_first_window()
    {
        Assert.Empty(_window.Places);

        Wait();

        Assert.Equal((First, First), (_window.Places.Count, _window.Free));
        Fill(First);
        Assert.False(_window.TryFill(new Parcel(0), out _));
        Assert.Equal((First, 0), (_window.Places.Count, _window.Free));
    }

    [Theory]
    [InlineData(2 * First, First)]
    [InlineData((2 * First) + 1, Largest)]
    public void More_than_twice_the_first_window_handled_within_a_look_makes_it_large(int handled, int places)
    {
        Wait();
        Handle(handled);
        _time.Advance(Look - TimeSpan.FromTicks(1));
        Wait();
        Assert.Equal(First, _window.Places.Count);

        _time.Advance(TimeSpan.FromTicks(1));
        Wait();

        Assert.Equal((places, places), (_window.Places.Count, _window.Free));
        Assert.Equal(places, _window.Places.Distinct().Count());
    }

    [Fact]
    public void Slow_handlers_keep_it_small_however_much_they_handle_in_all()
    {
        Wait();
        for (var round = 0; round < 50; round++)
        {
            Handle(100);
            _time.Advance(2 * Look);
            Wait();
            Assert.Equal(First, _window.Places.Count);
        }
    }

    [Fact]
    public void A_large_one_stays_while_the_first_window_is_handled_in_each_look()
    {
        Widen();
        for (var round = 0; round < 10; round++)
        {
            Handle(First);
            _time.Advance(Look);
            Wait();
            Assert.Equal((Largest, Largest), (_window.Places.Count, _window.Free));
        }
    }

    [Theory]
    [InlineData(96 * 1024, Largest)]
    [InlineData((96 * 1024) + 1, First)]
    public void Large_bodies_keep_it_small(int bytes, int places)
    {
        Wait();
        Handle(100, bytes);
        _time.Advance(Look);

        Wait();

        Assert.Equal((places, places), (_window.Places.Count, _window.Free));
    }

    [Theory]
    [InlineData(128 * 1024, Largest)]
    [InlineData((128 * 1024) + 1, First)]
    public void Large_bodies_make_a_large_one_small(int bytes, int places)
    {
        Widen();
        Handle(100, bytes);
        _time.Advance(Look);

        Wait();

        Assert.Equal((places, places), (_window.Places.Count, _window.Free));
    }

    [Fact]
    public void After_a_slow_stretch_only_free_places_are_taken_away()
    {
        Widen();
        var busy = Fill(100);

        Slow();

        // Whoever renews leases finds all that are in use.
        Assert.Equal((100, 0), (_window.Places.Count, _window.Free));
        Assert.Equal(busy.ToHashSet(), _window.Places.ToHashSet());
        Assert.All(busy, place => Assert.NotNull(place.Delivery));
        foreach (var place in busy[20..])
        {
            _window.Clear(place);
        }

        Assert.Equal((100, 80), (_window.Places.Count, _window.Free));
        Slow();

        Assert.Equal((First, First - 20), (_window.Places.Count, _window.Free));
        Assert.Superset(busy[..20].ToHashSet(), _window.Places.ToHashSet());
        foreach (var place in busy[..20])
        {
            // One that was taken away would throw.
            Assert.False(place.CancellationToken.WaitHandle.WaitOne(0));
            _window.Clear(place);
            Assert.Null(place.Delivery);
        }

        Slow();
        Assert.Equal((First, First), (_window.Places.Count, _window.Free));
        Assert.Equal(_window.Places.ToHashSet(), Fill(First).ToHashSet());
    }

    [Fact]
    public void A_narrow_one_grows_again()
    {
        Widen();
        Slow();
        Assert.Equal((First, First), (_window.Places.Count, _window.Free));

        Widen();
        Assert.Equal(Largest, Fill(Largest).Distinct().Count());
    }

    [Fact]
    public async Task A_held_place_counts_until_it_is_given_back()
    {
        Wait();
        var held = await _window.HoldAsync(CancellationToken.None);

        Assert.Contains(held, _window.Places);
        Assert.Equal((First, First - 1), (_window.Places.Count, _window.Free));
        Assert.DoesNotContain(held, Fill(First - 1));
        Assert.False(_window.TryFill(new Parcel(0), out _));
        var waiting = _window.WaitAsync(CancellationToken.None).AsTask();
        Assert.False(waiting.IsCompleted);

        _window.GiveBack(held);

        Assert.True(await waiting.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Same(held, Assert.Single(Fill(1)));
    }

    [Fact]
    public async Task A_held_place_is_not_taken_away()
    {
        Widen();
        var held = await _window.HoldAsync(CancellationToken.None);

        Slow();

        Assert.Contains(held, _window.Places);
        Assert.Equal((First, First - 1), (_window.Places.Count, _window.Free));
        _window.GiveBack(held);
        Assert.Equal((First, First), (_window.Places.Count, _window.Free));
    }

    public void Dispose() => _window.Dispose();

    /// <summary>What the receive loop does before each receive: here is where the size is set. There may be nothing free.</summary>
    private void Wait()
    {
        using var stop = new CancellationTokenSource();
        var waiting = _window.WaitAsync(stop.Token).AsTask();
        Assert.Equal(_window.Free > 0, waiting.IsCompleted);
        stop.Cancel();
    }

    private InFlight[] Fill(int count, int bytes = 0)
    {
        var places = new InFlight[count];
        for (var i = 0; i < count; i++)
        {
            Assert.True(_window.TryFill(new Parcel(bytes), out places[i]));
        }

        return places;
    }

    private void Handle(int count, int bytes = 0)
    {
        for (var i = 0; i < count; i++)
        {
            _window.Clear(Assert.Single(Fill(1, bytes)));
        }
    }

    private void Widen()
    {
        Wait();
        Handle((2 * First) + 1);
        _time.Advance(Look);
        Wait();
        Assert.Equal(Largest, _window.Places.Count);
    }

    private void Slow()
    {
        _time.Advance(100 * Look);
        Wait();
    }

    private sealed class Parcel(int bytes) : Delivery("orders", new() { Id = "m-1", Body = new byte[bytes] }, 0);
}
