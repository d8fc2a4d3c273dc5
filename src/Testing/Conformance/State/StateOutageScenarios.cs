using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What every state store must do when its server is killed.</summary>
[Collection("Scenarios that kill a broker")]
public abstract class StateOutageScenarios(StateStoreFixture fixture) : StateScenarios(fixture)
{
    /// <summary>What was put is durable when the put returns.</summary>
    [StateScenario(StateFault.ForgetsWhenKilled)]
    public async Task What_was_put_survives_a_kill_and_revisions_go_on()
    {
        var server = await StartPrivateServerAsync();
        var (store, key) = (await ConnectAsync(server), NewKey());
        var first = await PutNewAsync(store, $"{key}.kept", [1]);
        var last = await PutNewAsync(store, $"{key}.deleted", [1]);
        Assert.True(await store.DeleteAsync($"{key}.deleted", last, Deadline));
        await KillAsync(server);
        await StartAsync(server);

        var entry = await EventuallyAsync(() => store.GetAsync($"{key}.kept", Deadline));
        Assert.NotNull(entry);
        Assert.Equal(first, entry.Revision);
        var again = await ConnectAsync(server);
        Assert.Null(await again.GetAsync($"{key}.deleted", Deadline));
        Assert.True(await PutNewAsync(again, $"{key}.deleted", [2]) > last);
        Assert.True(await again.PutAsync($"{key}.kept", new byte[] { 2 }, first, Forever, Deadline) > first);
    }

    /// <summary>A call ends, and tells that waiting may help.</summary>
    [StateScenario(StateFault.HangsInOutage)]
    public async Task Calls_end_while_the_server_is_away()
    {
        var server = await StartPrivateServerAsync();
        var (store, key) = (await ConnectAsync(server), NewKey());
        var revision = await PutNewAsync(store, key, [1]);
        await KillAsync(server);

        await FailsAsync(() => store.GetAsync(key, Deadline).AsTask());
        await FailsAsync(() => store.PutAsync(key, new byte[] { 2 }, revision, Forever, Deadline).AsTask());
        await FailsAsync(() => store.DeleteAsync(key, revision, Deadline).AsTask());
        await FailsAsync(() => store.ListAsync(key, Deadline).AsTask());
        await StartAsync(server);
        Assert.NotNull(await EventuallyAsync(() => store.GetAsync(key, Deadline)));
    }

    /// <summary>Put and deleted by others before anybody else was back, and expired while the server was away.</summary>
    [StateScenario(StateFault.WatchEndsWithOutage, StateFault.WatchesNoExpiry)]
    public async Task A_watch_goes_on_after_an_outage_and_has_missed_nothing()
    {
        var server = await StartPrivateServerAsync();
        var (reader, writer, parent) = (await ConnectAsync(server), await ConnectAsync(server), NewKey());
        await PutNewAsync(writer, $"{parent}.stays", [1]);
        await PutNewAsync(writer, $"{parent}.expires", [1], TimeSpan.FromSeconds(3));
        await using var watch = Watch(reader, parent);
        await watch.IsWithinAsync(Fixture.Patience, static seen => seen.Count == 2);
        await KillAsync(server);
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Deadline);
        await StartAsync(server);
        var late = await ConnectAsync(server);
        await EventuallyAsync(async () => await late.PutAsync($"{parent}.new", new byte[] { 1 }, 0, Forever, Deadline));

        await watch.IsWithinAsync(Fixture.Patience, seen => seen.Keys.Order(StringComparer.Ordinal).SequenceEqual([$"{parent}.new", $"{parent}.stays"]));
        await PutNewAsync(late, $"{parent}.later", [1]);
        await watch.IsWithinAsync(Soon, static seen => seen.Count == 3);
    }

    private async Task FailsAsync(Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<StateStoreException>(() => call().WaitAsync(Fixture.Patience, TimeProvider.System));
        Assert.True(failure.IsTransient, $"It says that waiting does not help: {failure}");
    }

    /// <summary>As soon as the store is back.</summary>
    private async Task<T> EventuallyAsync<T>(Func<ValueTask<T>> call)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (StateStoreException e) when (e.IsTransient && TimeProvider.System.GetElapsedTime(started) < Fixture.Patience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Deadline);
            }
        }
    }
}
