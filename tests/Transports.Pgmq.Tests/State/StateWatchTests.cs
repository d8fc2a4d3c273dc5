using Npgsql;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>Watches: one connection for all, and what is done when it is dead or deaf.</summary>
public sealed class StateWatchTests : StateTests
{
    private const string Listening = "from pg_stat_activity where datname = current_database() and application_name = 'postrider state listen'";

    [Fact]
    public async Task All_watches_of_a_store_share_one_connection()
    {
        Database.Require();
        await using var store = Store();
        var watches = Enumerable.Range(0, 30).Select(i => new Watching(store, $"w{i}")).ToArray();
        for (var i = 0; i < watches.Length; i++)
        {
            await PutAsync(store, $"w{i}.k");
            await watches[i].SeesAsync($"w{i}.k");
        }

        Assert.Equal(1L, await Database.ScalarAsync<long>($"select count(*) {Listening}"));
        Assert.InRange(await Database.ScalarAsync<long>("select count(*) from pg_stat_activity where application_name = 'postrider state' and datname = current_database()"), 1, Options.Connections);
        foreach (var watch in watches)
        {
            await watch.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_listening_session_that_is_ended_is_replaced_and_nothing_is_missed()
    {
        Database.Require();
        await using var store = Store();
        await using var watch = new Watching(store, "a");
        await PutAsync(store, "a.0");
        await watch.SeesAsync("a.0");
        var seen = new List<string> { "a.0" };
        for (var i = 1; i < 4; i++)
        {
            await UntilAsync(async () => await Database.ScalarAsync<bool>($"select exists (select {Listening})"));
            var pid = await Database.ScalarAsync<int>($"select pid {Listening}");
            await Database.SqlAsync($"select pg_terminate_backend({pid}); insert into postrider.state values ('a.{i}', '', {i}, null)");
            seen.Add($"a.{i}");

            // Without the look each 30 seconds: nobody was told of this put.
            await watch.SeesAsync([.. seen]);
            await UntilAsync(async () => await Database.ScalarAsync<bool>($"select exists (select {Listening} and pid <> {pid})"));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_listening_session_that_has_died_in_silence_or_hears_nothing_is_found_out(bool isDeaf)
    {
        Database.Require();
        var log = new ListLogger();
        var direct = new NpgsqlConnectionStringBuilder(Database.ConnectionString);
        await using var wire = new Wire(direct.Host!, direct.Port) { SwallowsNotifications = isDeaf };
        var through = new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Host = "127.0.0.1", Port = wire.Port, SslMode = SslMode.Disable };
        await using var store = new PostgresStateStore(Options with { ConnectionString = through.ConnectionString, CallTimeout = TimeSpan.FromSeconds(2) }, log);
        await using var writer = Store();
        await using var watch = new Watching(store, "a");
        await PutAsync(writer, "a.0");
        await watch.SeesAsync("a.0");
        if (isDeaf)
        {
            await UntilAsync(() => Task.FromResult(log.ToString().Contains("A pooler in transaction mode", StringComparison.Ordinal)));
        }
        else
        {
            // It listens, and has asked for the first time. What was connected is silent from now on; new connections work.
            await UntilAsync(async () => await Database.ScalarAsync<bool>($"select exists (select {Listening} and query = 'select 1')"));
            wire.FreezeAll();
        }

        await PutAsync(writer, "a.1");
        await watch.SeesAsync("a.0", "a.1");
    }
}
