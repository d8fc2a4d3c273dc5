using System.Globalization;
using System.Text;
using Postrider.Core.State;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What every state store must do, but for what takes an outage (<see cref="StateOutageScenarios"/>).</summary>
public abstract class StateStoreScenarios(StateStoreFixture fixture) : StateScenarios(fixture)
{
    /// <summary>Whatever the bytes are.</summary>
    [StateScenario(StateFault.CutsValues)]
    public async Task What_is_put_is_got_by_another()
    {
        var (one, other) = (await ConnectAsync(), await ConnectAsync());
        byte[][] values = [[], [0], [.. Enumerable.Range(0, 256).Select(static i => (byte)i)], new byte[StateKey.MaxValueBytes]];
        Random.Shared.NextBytes(values[3]);
        foreach (var value in values)
        {
            var key = NewKey();
            var revision = await PutNewAsync(one, key, value);
            var entry = await other.GetAsync(key, Deadline);

            Assert.NotNull(entry);
            Assert.Equal(value, entry.Value.ToArray());
            Assert.Equal(revision, entry.Revision);
        }
    }

    /// <summary>Nothing is there before it is put.</summary>
    [StateScenario(StateFault.TakesAnything)]
    public async Task What_is_not_there_is_null_and_what_is_illegal_is_refused()
    {
        var store = await ConnectAsync();
        Assert.Null(await store.GetAsync(NewKey(), Deadline));
        Assert.False(await store.DeleteAsync(NewKey(), 1, Deadline));
        foreach (var key in new[] { "", ".", "a..b", "a.", ".a", "a b", "a*", "a.>", "ä", "a/b", new string('a', StateKey.MaxLength + 1) })
        {
            await Assert.ThrowsAnyAsync<ArgumentException>(async () => await store.PutAsync(key, new byte[1], 0, Forever, Deadline));
            await Assert.ThrowsAnyAsync<ArgumentException>(async () => await store.GetAsync(key, Deadline));
        }

        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await store.PutAsync(NewKey(), new byte[StateKey.MaxValueBytes + 1], 0, Forever, Deadline));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await store.PutAsync(NewKey(), new byte[1], -1, Forever, Deadline));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await store.PutAsync(NewKey(), new byte[1], 0, TimeSpan.Zero, Deadline));
        var longest = $"{NewKey()}.{new string('z', StateKey.MaxLength)}"[..StateKey.MaxLength];
        await PutNewAsync(store, longest, [1]);
        Assert.Equal([1], (await store.GetAsync(longest, Deadline))!.Value.ToArray());
    }

    /// <summary>Whoever has not seen what is there cannot replace it.</summary>
    [StateScenario(StateFault.IgnoresRevisions)]
    public async Task Only_what_was_seen_is_replaced()
    {
        var (one, other, key) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        var first = await PutNewAsync(one, key, [1]);

        Assert.Null(await other.PutAsync(key, new byte[] { 2 }, 0, Forever, Deadline));
        Assert.Null(await other.PutAsync(key, new byte[] { 2 }, first + 1, Forever, Deadline));
        var second = await other.PutAsync(key, new byte[] { 3 }, first, Forever, Deadline);
        Assert.True(second > first);
        Assert.Null(await one.PutAsync(key, new byte[] { 4 }, first, Forever, Deadline));
        Assert.Equal([3], (await one.GetAsync(key, Deadline))!.Value.ToArray());
        Assert.Null(await one.PutAsync(NewKey(), new byte[] { 4 }, second.Value, Forever, Deadline));
    }

    /// <summary>Nor delete it.</summary>
    [StateScenario(StateFault.DeletesAnything)]
    public async Task Only_what_was_seen_is_deleted()
    {
        var (one, other, key) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        var first = await PutNewAsync(one, key, [1]);
        var second = await one.PutAsync(key, new byte[] { 2 }, first, Forever, Deadline);

        Assert.False(await other.DeleteAsync(key, first, Deadline));
        Assert.NotNull(await one.GetAsync(key, Deadline));
        Assert.True(await other.DeleteAsync(key, second!.Value, Deadline));
        Assert.False(await other.DeleteAsync(key, second.Value, Deadline));
        Assert.Null(await one.GetAsync(key, Deadline));
    }

    /// <summary>Eight count together, each by his own connection, and nothing is counted twice or lost.</summary>
    [StateScenario(StateFault.IgnoresRevisions)]
    public async Task Of_many_who_compare_and_set_at_once_one_wins()
    {
        const int each = 25;
        var key = NewKey();
        var stores = new List<IStateStore>();
        for (var i = 0; i < 8; i++)
        {
            stores.Add(await ConnectAsync());
        }

        // All have seen the same before the first of them puts.
        var (reading, allRead) = (stores.Count, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var revisions = await Task.WhenAll(stores.Select(store => Task.Run(() => CountAsync(store, key, each, ReadAsync))));

        var total = int.Parse(Encoding.ASCII.GetString((await stores[0].GetAsync(key, Deadline))!.Value.Span), CultureInfo.InvariantCulture);
        Assert.Equal(stores.Count * each, total);
        Assert.Equal(total, revisions.SelectMany(static one => one).Distinct().Count());

        Task ReadAsync()
        {
            if (Interlocked.Decrement(ref reading) == 0)
            {
                allRead.SetResult();
            }

            return allRead.Task;
        }
    }

    /// <summary>A token that was given once is never given again, nor one before it.</summary>
    [StateScenario(StateFault.BeginsRevisionsAnew)]
    public async Task Revisions_never_go_back()
    {
        var (one, other, key) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        var last = 0L;
        for (var i = 0; i < 5; i++)
        {
            var first = await PutNewAsync(i % 2 == 0 ? one : other, key, [1]);
            Assert.True(first > last, $"{first} after {last}.");
            last = (await other.PutAsync(key, new byte[] { 2 }, first, Forever, Deadline))!.Value;
            Assert.True(last > first);
            Assert.True(await one.DeleteAsync(key, last, Deadline));
        }

        await PutNewAsync(one, key, [1], Fixture.ShortLife);
        last = (await one.GetAsync(key, Deadline))!.Revision;
        await GoneAsync(other, key);
        Assert.True(await PutNewAsync(one, key, [1]) > last);
    }

    /// <summary>Neither before its time nor long after it.</summary>
    [StateScenario(StateFault.NeverExpires, StateFault.ExpiresEarly)]
    public async Task An_entry_lives_as_long_as_it_was_told()
    {
        var (one, other, key) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        var life = Fixture.ShortLife * 2;
        var started = TimeProvider.System.GetTimestamp();
        var revision = await PutNewAsync(one, key, [1], life);
        await GoneAsync(other, key);
        var lived = TimeProvider.System.GetElapsedTime(started);

        // Servers count in milliseconds, and begin while the put is under way.
        Assert.True(lived > life - TimeSpan.FromMilliseconds(20), $"It lived {lived} instead of {life}.");
        Assert.True(lived < life + TimeSpan.FromSeconds(1.5), $"It lived {lived} instead of {life}.");
        Assert.Null(await one.PutAsync(key, new byte[] { 2 }, revision, Forever, Deadline));
        Assert.False(await one.DeleteAsync(key, revision, Deadline));
        Assert.Empty(await other.ListAsync(Parent(key), Deadline));
        await PutNewAsync(other, key, [3]);
        await Task.Delay(Fixture.ShortLife * 1.5, TimeProvider.System, Deadline);
        Assert.Equal([3], (await one.GetAsync(key, Deadline))!.Value.ToArray());
    }

    /// <summary>So whoever puts it again and again keeps it.</summary>
    [StateScenario(StateFault.KeepsFirstExpiry)]
    public async Task A_put_begins_the_time_anew()
    {
        var (store, key) = (await ConnectAsync(), NewKey());
        var revision = await PutNewAsync(store, key, [1], Fixture.ShortLife);
        for (var i = 0; i < 6; i++)
        {
            await Task.Delay(Fixture.ShortLife / 3, TimeProvider.System, Deadline);
            var renewed = await store.PutAsync(key, new byte[] { 1 }, revision, Fixture.ShortLife, Deadline);
            Assert.True(renewed is not null, $"It was gone at the renewal {i + 1}.");
            revision = renewed.Value;
        }

        revision = (await store.PutAsync(key, new byte[] { 1 }, revision, Forever, Deadline))!.Value;
        await Task.Delay(Fixture.ShortLife * 1.5, TimeProvider.System, Deadline);
        Assert.Equal(revision, (await store.GetAsync(key, Deadline))!.Revision);
    }

    /// <summary>The clocks of processes differ; the server's counts.</summary>
    [StateScenario(StateFault.TrustsOwnClock)]
    public async Task Clocks_of_processes_do_not_matter()
    {
        var slow = await ConnectAsync(new ShiftedClock(TimeSpan.FromHours(-3)));
        var fast = await ConnectAsync(new ShiftedClock(TimeSpan.FromHours(3)));
        foreach (var (writer, reader) in new[] { (slow, fast), (fast, slow) })
        {
            var key = NewKey();
            await PutNewAsync(writer, key, [1], Fixture.ShortLife * 3);
            Assert.NotNull(await reader.GetAsync(key, Deadline));
            Assert.NotNull(await writer.GetAsync(key, Deadline));
            Assert.Single(await reader.ListAsync(Parent(key), Deadline));
            await GoneAsync(reader, key);
            Assert.Null(await writer.GetAsync(key, Deadline));
        }
    }

    /// <summary>Whole words count, not letters.</summary>
    [StateScenario(StateFault.ListsByLetters, StateFault.ListsTooLittle)]
    public async Task A_list_has_all_below_the_prefix_and_nothing_else()
    {
        var (one, other, parent) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        string[] below = [.. Enumerable.Range(0, 150).Select(i => $"{parent}.{i}"), $"{parent}.a.b.c", $"{parent}.A"];
        foreach (var key in below.Concat([parent, $"{parent}x", $"{parent}-1.a", $"x.{parent}.a"]))
        {
            await PutNewAsync(one, key, Encoding.ASCII.GetBytes(key));
        }

        var listed = await other.ListAsync(parent, Deadline);

        Assert.Equal(below.Order(StringComparer.Ordinal), listed.Keys.Order(StringComparer.Ordinal));
        Assert.All(listed, static one => Assert.Equal(one.Key, Encoding.ASCII.GetString(one.Value.Value.Span)));
        Assert.Equal((await one.GetAsync($"{parent}.7", Deadline))!.Revision, listed[$"{parent}.7"].Revision);
        Assert.Empty(await other.ListAsync(NewKey(), Deadline));
    }

    /// <summary>What is there at once, and each change within a second.</summary>
    [StateScenario(StateFault.WatchesLate, StateFault.WatchesNoDeletes, StateFault.WatchesChangesOnly)]
    public async Task A_watch_tells_of_what_is_there_and_of_each_change()
    {
        var (writer, reader, parent) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        var first = await PutNewAsync(writer, $"{parent}.a", [1]);
        await PutNewAsync(writer, $"{parent}x.a", [1]);
        await using var watch = Watch(reader, parent);

        await watch.IsWithinAsync(Soon, seen => seen.Count == 1 && seen[$"{parent}.a"].Revision == first);
        var second = await writer.PutAsync($"{parent}.a", new byte[] { 2 }, first, Forever, Deadline);
        await watch.IsWithinAsync(Soon, seen => seen[$"{parent}.a"].Revision == second && seen[$"{parent}.a"].Value.Span[0] == 2);
        await PutNewAsync(writer, $"{parent}.b.c", [3]);
        await watch.IsWithinAsync(Soon, seen => seen.Count == 2 && seen.ContainsKey($"{parent}.b.c"));
        await writer.DeleteAsync($"{parent}.a", second!.Value, Deadline);
        await watch.IsWithinAsync(Soon, seen => seen.Count == 1 && !seen.ContainsKey($"{parent}.a"));
    }

    /// <summary>A watch of nothing begins with nothing.</summary>
    [StateScenario(StateFault.WatchesChangesOnly)]
    public async Task A_watch_of_nothing_says_so()
    {
        await using var watch = Watch(await ConnectAsync(), NewKey());
        await watch.IsWithinAsync(Fixture.Patience, static seen => seen.Count == 0);
    }

    /// <summary>Nobody deletes what expires, so the watch has to find out.</summary>
    [StateScenario(StateFault.WatchesNoExpiry)]
    public async Task A_watch_tells_of_what_expires()
    {
        var (writer, reader, parent) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        await using var watch = Watch(reader, parent);
        await PutNewAsync(writer, $"{parent}.stays", [1]);
        await PutNewAsync(writer, $"{parent}.goes", [1], Fixture.ShortLife);
        await watch.IsWithinAsync(Soon, static seen => seen.Count == 2);
        await watch.IsWithinAsync(Fixture.ShortLife + Soon, seen => seen.Count == 1 && seen.ContainsKey($"{parent}.stays"));
    }

    /// <summary>Whoever does not read for a while sees what is so now, and is not flooded.</summary>
    [StateScenario(StateFault.WatchesQueue)]
    public async Task A_slow_watch_gets_the_latest()
    {
        var (writer, reader, parent) = (await ConnectAsync(), await ConnectAsync(), NewKey());
        await using var snapshots = reader.WatchAsync(parent, Deadline).GetAsyncEnumerator(Deadline);
        Assert.True(await snapshots.MoveNextAsync());
        var revision = await PutNewAsync(writer, $"{parent}.a", [0]);
        for (var i = 1; i < 200; i++)
        {
            revision = (await writer.PutAsync($"{parent}.a", new[] { (byte)i }, revision, Forever, Deadline))!.Value;
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Deadline);
        }

        await writer.DeleteAsync($"{parent}.a", revision, Deadline);
        await PutNewAsync(writer, $"{parent}.b", [1]);
        var read = 0;
        do
        {
            Assert.True(await snapshots.MoveNextAsync().AsTask().WaitAsync(Fixture.Patience, TimeProvider.System));
            read++;
        }
        while (snapshots.Current.ContainsKey($"{parent}.a") || !snapshots.Current.ContainsKey($"{parent}.b"));

        Assert.InRange(read, 1, 20);
    }

    /// <summary>What was cancelled ends.</summary>
    [StateScenario(StateFault.HangsInOutage)]
    public async Task Cancelled_calls_and_watches_end()
    {
        var (store, key) = (await ConnectAsync(), NewKey());
        Fixture.Fault.IsAway = true;
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.GetAsync(key, cancelled.Token));
        await PutNewAsync(store, key, [1]);
        using var later = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            await foreach (var _ in store.WatchAsync(key, later.Token))
            {
            }
        });
        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Deadline);
        await later.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.WaitAsync(Fixture.Patience, TimeProvider.System));
    }

    /// <summary>Nobody waits for a store that is closed.</summary>
    [StateScenario(StateFault.HangsWhenDisposed)]
    public async Task What_waits_ends_when_the_store_is_disposed_of()
    {
        var (store, key) = (await ConnectAsync(), NewKey());
        await using var snapshots = store.WatchAsync(key, Deadline).GetAsyncEnumerator(Deadline);
        Assert.True(await snapshots.MoveNextAsync());
        var waiting = snapshots.MoveNextAsync().AsTask();

        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Fixture.Patience, TimeProvider.System));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.GetAsync(key, Deadline));
    }

    private async Task<List<long>> CountAsync(IStateStore store, string key, int times, Func<Task> read)
    {
        var revisions = new List<long>();
        while (revisions.Count < times)
        {
            var entry = await store.GetAsync(key, Deadline);
            await read();
            var next = entry is null ? 1 : int.Parse(Encoding.ASCII.GetString(entry.Value.Span), CultureInfo.InvariantCulture) + 1;
            var put = await store.PutAsync(key, Encoding.ASCII.GetBytes($"{next}"), entry?.Revision ?? 0, Forever, Deadline);
            if (put is { } revision)
            {
                Assert.True(revision > (entry?.Revision ?? 0));
                revisions.Add(revision);
            }
        }

        return revisions;
    }
}
