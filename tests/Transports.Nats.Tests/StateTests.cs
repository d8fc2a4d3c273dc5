using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Postrider.Brokers;
using Postrider.Core.State;

namespace Postrider.Transports.Nats.Tests;

/// <summary>The state store as other clients see it, and what only NATS can do to it.</summary>
public sealed class StateTests
{
    private const string Operation = "KV-Operation";

    private static TimeSpan Forever => Timeout.InfiniteTimeSpan;

    [Fact]
    public async Task What_others_put_lives_until_it_is_deleted_and_is_seen()
    {
        Server.Require();
        await using var store = Open();
        var parent = Server.NewQueue("s");
        await using var watch = store.WatchAsync(parent, Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));

        var first = await RawPutAsync($"{parent}.a", "1");
        Assert.Equal([$"{parent}.a"], (await NextAsync(watch)).Keys);
        Assert.Equal(("1", first), Of(await store.GetAsync($"{parent}.a", Server.Deadline)));
        // A time to live that cannot be read is none.
        var second = await RawPutAsync($"{parent}.b", "2", (StoredState.Life, "soon"), ("X-Other", "x"));
        await RawPutAsync($"{parent}.not/ours", "3");
        Assert.Equal([$"{parent}.a", $"{parent}.b"], (await NextAsync(watch)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal([$"{parent}.a", $"{parent}.b"], (await store.ListAsync(parent, Server.Deadline)).Keys.Order(StringComparer.Ordinal));

        Assert.Null(await store.PutAsync($"{parent}.b", "x"u8.ToArray(), 0, Forever, Server.Deadline));
        var mine = await store.PutAsync($"{parent}.b", "x"u8.ToArray(), second, TimeSpan.FromSeconds(1), Server.Deadline);
        Assert.NotNull(mine);
        var theirs = await RawPutAsync($"{parent}.b", "4");
        Assert.Null(await store.PutAsync($"{parent}.b", "y"u8.ToArray(), mine.Value, Forever, Server.Deadline));
        await Task.Delay(TimeSpan.FromSeconds(1.2), TimeProvider.System, Server.Deadline);
        Assert.Equal(("4", theirs), Of(await store.GetAsync($"{parent}.b", Server.Deadline)));
    }

    [Theory]
    [InlineData("DEL")]
    [InlineData("PURGE")]
    public async Task What_others_delete_is_gone(string operation)
    {
        Server.Require();
        await using var store = Open();
        var parent = Server.NewQueue("s");
        await using var watch = store.WatchAsync(parent, Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        var first = (await store.PutAsync($"{parent}.a", "1"u8.ToArray(), 0, Forever, Server.Deadline))!.Value;
        Assert.Single(await NextAsync(watch));

        var last = await RawPutAsync($"{parent}.a", "", operation == "DEL" ? [(Operation, operation)] : [(Operation, operation), ("Nats-Rollup", "sub")]);

        Assert.Empty(await NextAsync(watch));
        Assert.Null(await store.GetAsync($"{parent}.a", Server.Deadline));
        Assert.Empty(await store.ListAsync(parent, Server.Deadline));
        Assert.False(await store.DeleteAsync($"{parent}.a", last, Server.Deadline));
        Assert.Null(await store.PutAsync($"{parent}.a", "2"u8.ToArray(), first, Forever, Server.Deadline));
        Assert.Null(await store.PutAsync($"{parent}.a", "2"u8.ToArray(), last, Forever, Server.Deadline));
        Assert.True(await store.PutAsync($"{parent}.a", "2"u8.ToArray(), 0, Forever, Server.Deadline) > last);
    }

    [Fact]
    public async Task Others_read_what_is_put_and_that_it_is_deleted()
    {
        Server.Require();
        await using var store = Open();
        var key = Server.NewQueue("s");
        var revision = await store.PutAsync(key, "value"u8.ToArray(), 0, TimeSpan.FromMilliseconds(90_000.5), Server.Deadline);
        var put = (await LastAsync(key)).GetProperty("message");
        Assert.Equal((revision, "value"), (put.GetProperty("seq").GetInt64(), Text(put, "data")));
        Assert.Contains("x-postrider-time-to-live: 90000500\r\n", Text(put, "hdrs"), StringComparison.Ordinal);
        Assert.DoesNotContain(Operation, Text(put, "hdrs"), StringComparison.Ordinal);

        Assert.True(await store.DeleteAsync(key, revision!.Value, Server.Deadline));
        var deleted = (await LastAsync(key)).GetProperty("message");
        Assert.Contains("KV-Operation: DEL\r\n", Text(deleted, "hdrs"), StringComparison.Ordinal);
        Assert.False(deleted.TryGetProperty("data", out _));
        // What is written to learn the time is no key for others.
        Assert.Contains("KV-Operation: DEL\r\n", Text((await LastAsync("=clock")).GetProperty("message"), "hdrs"), StringComparison.Ordinal);
        var config = (await Server.AskAsync("STREAM.INFO.KV_postrider_state")).GetProperty("config");
        Assert.Equal((1, "file", true, true), (config.GetProperty("max_msgs_per_subject").GetInt32(), config.GetProperty("storage").GetString(),
            config.GetProperty("allow_rollup_hdrs").GetBoolean(), config.GetProperty("deny_delete").GetBoolean()));
    }

    [Fact]
    public async Task Lives_that_are_longer_than_anything_are_for_ever()
    {
        Server.Require();
        await using var store = Open();
        var parent = Server.NewQueue("s");
        await using var watch = store.WatchAsync(parent, Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        await store.PutAsync($"{parent}.a", default, 0, TimeSpan.MaxValue, Server.Deadline);
        await store.PutAsync($"{parent}.b", default, 0, StoredState.LongestLife, Server.Deadline);

        Assert.Equal(2, (await store.ListAsync(parent, Server.Deadline)).Count);
        while ((await NextAsync(watch)).Count < 2)
        {
        }
    }

    [Fact]
    public async Task Many_make_the_bucket_at_once()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var stores = Enumerable.Range(0, 12).Select(_ => Open(prefix)).ToList();
        var revisions = await Task.WhenAll(stores.Select((store, i) => Task.Run(() => store.PutAsync($"k.{i}", default, 0, Forever, Server.Deadline).AsTask())));

        Assert.Equal(12, revisions.OfType<long>().Distinct().Count());
        Assert.All(await Task.WhenAll(stores.Select(store => store.ListAsync("k", Server.Deadline).AsTask())), static all => Assert.Equal(12, all.Count));
        await CloseAsync(prefix, [.. stores]);
    }

    [Theory]
    [InlineData("max_msgs_per_subject", "5")]
    [InlineData("max_age", "60000000000")]
    [InlineData("max_bytes", "1000000")]
    [InlineData("storage", "\"memory\"")]
    [InlineData("subjects", "[\"$KV.NAME.a\"]")]
    public async Task A_bucket_with_other_properties_is_told(string property, string value)
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var properties = new Dictionary<string, string> { ["name"] = $"\"KV_{prefix}_state\"", ["subjects"] = $"[\"$KV.{prefix}_state.>\"]", ["max_msgs_per_subject"] = "1", ["storage"] = "\"file\"" };
        properties[property] = value.Replace("NAME", $"{prefix}_state", StringComparison.Ordinal);
        var made = await Server.AskAsync($"STREAM.CREATE.KV_{prefix}_state", $"{{{string.Join(',', properties.Select(static one => $"\"{one.Key}\":{one.Value}"))}}}");
        Assert.False(made.TryGetProperty("error", out var error), error.ToString());
        var store = Open(prefix);

        var e = await Assert.ThrowsAsync<StateStoreException>(() => store.GetAsync("a", Server.Deadline).AsTask());
        Assert.False(e.IsTransient);
        Assert.Contains($"'{prefix}_state'", e.Message, StringComparison.Ordinal);
        Assert.Contains($"({property})", e.Message, StringComparison.Ordinal);
        await using var watch = store.WatchAsync("a", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.False((await Assert.ThrowsAsync<StateStoreException>(() => watch.MoveNextAsync().AsTask())).IsTransient);
        await CloseAsync(prefix, store);
    }

    [Fact]
    public async Task A_missing_bucket_is_told_where_nothing_is_to_be_made_and_made_again_where_somebody_removed_it()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var timid = Open(Server.Options with { Prefix = prefix, CreateTopology = false });
        var store = Open(prefix);
        var e = await Assert.ThrowsAsync<StateStoreException>(() => timid.GetAsync("a", Server.Deadline).AsTask());
        Assert.False(e.IsTransient);
        Assert.Contains("CreateTopology", e.Message, StringComparison.Ordinal);
        await store.PutAsync("a", default, 0, Forever, Server.Deadline);
        Assert.NotNull(await timid.GetAsync("a", Server.Deadline));

        await using var watch = store.WatchAsync("k", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        await Server.AskAsync($"STREAM.DELETE.KV_{prefix}_state");
        e = await Assert.ThrowsAsync<StateStoreException>(() => store.GetAsync("a", Server.Deadline).AsTask());
        Assert.True(e.IsTransient, e.Message);
        Assert.NotNull(await store.PutAsync("k.a", default, 0, Forever, Server.Deadline));
        Assert.Single(await NextAsync(watch));
        await CloseAsync(prefix, timid, store);
    }

    [Theory]
    [InlineData("$JS.API.STREAM.INFO.KV_postrider_state")]
    [InlineData("$JS.API.STREAM.MSG.GET.KV_postrider_state")]
    [InlineData("$KV.postrider_state.k.a")]
    [InlineData("$JS.API.CONSUMER.CREATE.KV_postrider_state")]
    public async Task Whoever_may_not_is_told_at_once_and_what(string subject)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        var settings = $$"""authorization { users: [ { user: "app", password: "{{Secrets.Password}}", permissions: { publish: { deny: ["{{subject}}"] } } } ] }""" + "\n";
        await using var server = await PrivateBroker.StartNewAsync(
            "nats", Conformance.NatsFixture.Connect, folder => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), settings));
        // No answer ever comes: whoever waits for one waits longer than this test.
        await using var store = Open(new NatsOptions
        {
            ConnectionString = $"nats://app:{Secrets.Encoded}@127.0.0.1:{new Uri(server.ConnectionString).Port}",
            CommandTimeout = TimeSpan.FromMinutes(5),
        });

        var e = await Assert.ThrowsAsync<StateStoreException>(async () =>
        {
            await store.PutAsync("k.a", default, 0, Forever, Server.Deadline);
            await using var watch = store.WatchAsync("k", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
            await watch.MoveNextAsync();
        });
        Assert.False(e.IsTransient);
        Assert.Contains($"'{subject}'", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("S3cr3t", e.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("go on", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_left_of_who_watched()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var (store, killed) = (Open(prefix), Open(prefix));
        await using (var watch = store.WatchAsync("a", Server.Deadline).GetAsyncEnumerator(Server.Deadline))
        {
            var other = killed.WatchAsync("a", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
            Assert.Empty(await NextAsync(watch));
            Assert.Empty(await NextAsync(other));
            Assert.Equal(2, (await ConsumersAsync(prefix)).Count);
            await killed.DisposeAsync();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => other.MoveNextAsync().AsTask());
        }

        await EventuallyAsync(async () => (await ConsumersAsync(prefix)).Count == 0);
        await CloseAsync(prefix, store);
    }

    [Theory]
    [InlineData("its consumer is removed")]
    [InlineData("the last of what was handed out is not heard")]
    [InlineData("something between is not heard")]
    public async Task A_watch_that_misses_something_begins_anew(string how)
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var store = Open(prefix);
        await using var watch = store.WatchAsync("k", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        var (name, inbox) = Assert.Single(await ConsumersAsync(prefix));
        await store.PutAsync("k.a", default, 0, Forever, Server.Deadline);
        Assert.Single(await NextAsync(watch));
        var next = NextAsync(watch);
        switch (how[0])
        {
            case 'i':
                await Server.AskAsync($"CONSUMER.DELETE.KV_{prefix}_state.{name}");
                break;
            case 't':
                using (var raw = await RawNats.ConnectAsync(Server.ConnectionString))
                {
                    await raw.PublishAsync(inbox, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n", "");
                }

                break;
            default:
                // Another consumer, which counts for itself, sends to the same place.
                await store.PutAsync("other.a", default, 0, Forever, Server.Deadline);
                var made = await Server.AskAsync($"CONSUMER.CREATE.KV_{prefix}_state", $$$"""
                    {"stream_name":"KV_{{{prefix}}}_state","config":{"deliver_subject":"{{{inbox}}}","deliver_policy":"all","ack_policy":"none","filter_subject":"$KV.{{{prefix}}}_state.other.>"}}
                    """);
                Assert.False(made.TryGetProperty("error", out var error), error.ToString());
                break;
        }

        await EventuallyAsync(async () => (await ConsumersAsync(prefix)).Any(one => one.Inbox != inbox));
        await store.PutAsync("k.b", default, 0, Forever, Server.Deadline);
        Assert.Equal(2, (await next).Count);
        await CloseAsync(prefix, store);
    }

    [Fact]
    public async Task Whoever_watches_and_does_not_read_keeps_little_and_sees_all_later()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var (store, writer) = (Open(prefix), Open(prefix));
        await using var watch = store.WatchAsync("k", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        var (_, inbox) = Assert.Single(await ConsumersAsync(prefix));
        await Parallel.ForAsync(0, 1500, Server.Deadline, async (i, token) => await writer.PutAsync($"k.{i}", default, 0, Forever, token));

        IReadOnlyDictionary<string, StateEntry> seen;
        do
        {
            seen = await NextAsync(watch);
        }
        while (seen.Count < 1500);

        // It did not keep all that it heard, and looked at everything anew.
        Assert.Contains(await ConsumersAsync(prefix), one => one.Inbox != inbox);
        Assert.Equal(1500, (await writer.ListAsync("k", Server.Deadline)).Count);
        await CloseAsync(prefix, store, writer);
    }

    [Fact]
    public async Task What_is_over_is_removed_and_what_lives_stays()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var store = Open(Server.Options with { Prefix = prefix }, TimeSpan.Zero);
        var kept = (await store.PutAsync("kept", default, 0, Forever, Server.Deadline))!.Value;
        var last = 0L;
        for (var i = 0; i < 300; i++)
        {
            // Nobody ever asks for these keys again.
            var revision = (await store.PutAsync($"k.{i}", default, 0, i % 2 == 0 ? StateKey.ShortestLife : Forever, Server.Deadline))!.Value;
            last = i % 2 == 0 ? revision : await store.DeleteAsync($"k.{i}", revision, Server.Deadline) ? revision + 1 : 0;
        }

        var renewed = kept;
        await EventuallyAsync(async () =>
        {
            renewed = (await store.PutAsync("kept", default, renewed, Forever, Server.Deadline))!.Value;
            return await StateAsync(prefix, "messages") < 60;
        });
        Assert.True(renewed > last);
        Assert.True(await StateAsync(prefix, "last_seq") >= renewed);
        Assert.NotNull(await store.GetAsync("kept", Server.Deadline));
        await CloseAsync(prefix, store);
    }

    [Fact]
    public async Task The_last_message_stays_whatever_it_is()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var store = Open(prefix);
        await using var links = new Links(Server.Options, ConnectionStrings.Parse(Server.ConnectionString), null, "test", NullLogger.Instance);
        var api = new JetStreamApi(links);
        var bucket = new StateBucket(api, $"{prefix}_state", NullLogger.Instance);
        using var clock = new ServerClock(api, bucket.Stream, bucket.Clock);
        // What was stored a moment ago is old enough.
        await using var sweep = new StateSweep(bucket, clock, NullLogger.Instance, TimeSpan.FromHours(-1));
        await store.DeleteAsync("a", (await store.PutAsync("a", default, 0, Forever, Server.Deadline))!.Value, Server.Deadline);
        // This writes a message too, but only now.
        await sweep.SweepAsync(Server.Deadline);
        await store.DeleteAsync("b", (await store.PutAsync("b", default, 0, Forever, Server.Deadline))!.Value, Server.Deadline);

        await sweep.SweepAsync(Server.Deadline);
        var last = await Server.AskAsync($"STREAM.MSG.GET.KV_{prefix}_state", $$"""{"seq":{{await StateAsync(prefix, "last_seq")}}}""");
        Assert.False(last.TryGetProperty("error", out var error), error.ToString());
        Assert.Null(await bucket.FindAsync("a", "test", Server.Deadline));
        await store.PutAsync("c", default, 0, Forever, Server.Deadline);
        await sweep.SweepAsync(Server.Deadline);
        Assert.Null(await bucket.FindAsync("b", "test", Server.Deadline));
        await CloseAsync(prefix, store);
    }

    [Fact]
    public async Task Whoever_finds_an_entry_to_be_over_says_so_for_all()
    {
        Server.Require();
        await using var store = Open();
        var parent = Server.NewQueue("s");
        var finders = new Func<string, Task<bool>>[]
        {
            async key => await store.GetAsync(key, Server.Deadline) is null,
            async key => !(await store.ListAsync(parent, Server.Deadline)).ContainsKey(key),
            async key => await store.PutAsync(key, default, 1, Forever, Server.Deadline) is null && IsDeleted(await LastAsync(key)),
            async key => !await store.DeleteAsync(key, 1, Server.Deadline) && IsDeleted(await LastAsync(key)),
        };
        foreach (var isOver in finders)
        {
            var key = $"{parent}.{Server.NewQueue("k")}";
            var revision = await store.PutAsync(key, default, 0, StateKey.ShortestLife, Server.Deadline);
            Assert.False(IsDeleted(await LastAsync(key)));
            await EventuallyAsync(() => isOver(key));

            // So whoever believes that it lives, as his idea of the server's time is behind, cannot renew it.
            var last = await LastAsync(key);
            Assert.True(IsDeleted(last));
            Assert.True(last.GetProperty("message").GetProperty("seq").GetInt64() > revision);
        }
    }

    [Fact]
    public async Task A_server_that_stands_still_is_away()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync("nats", Conformance.NatsFixture.Connect);
        await using var store = Open(new NatsOptions { ConnectionString = server.ConnectionString, CommandTimeout = TimeSpan.FromSeconds(1), ConnectTimeout = TimeSpan.FromSeconds(1) });
        await using var watch = store.WatchAsync("k", Server.Deadline).GetAsyncEnumerator(Server.Deadline);
        Assert.Empty(await NextAsync(watch));
        await store.PutAsync("a", default, 0, TimeSpan.FromHours(1), Server.Deadline);
        await SignalAsync(server, "STOP");
        try
        {
            var failures = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Assert.ThrowsAsync<StateStoreException>(() => store.GetAsync("a", Server.Deadline).AsTask())));
            Assert.All(failures, static failure => Assert.True(failure.IsTransient, failure.ToString()));
        }
        finally
        {
            await SignalAsync(server, "CONT");
        }

        await EventuallyAsync(async () =>
        {
            try
            {
                return await store.PutAsync("k.a", default, 0, Forever, Server.Deadline) is not null;
            }
            catch (StateStoreException e) when (e.IsTransient)
            {
                return false;
            }
        });
        Assert.Single(await NextAsync(watch));
    }

    [Fact]
    public void What_is_heard_late_changes_nothing()
    {
        var known = new Dictionary<string, StoredState>();
        StateFeed.Merge(known, Message(5));
        StateFeed.Merge(known, Message(4));
        StateFeed.Merge(known, Message(4, isDeleted: true));
        Assert.Equal(5UL, known["k"].Sequence);
        StateFeed.Merge(known, Message(6));
        Assert.Equal(6UL, known["k"].Sequence);
        StateFeed.Merge(known, Message(7, isDeleted: true));
        Assert.Empty(known);

        static StoredState Message(ulong sequence, bool isDeleted = false) => new("k", sequence, 0, isDeleted, Timeout.InfiniteTimeSpan, []);
    }

    [Fact]
    public async Task A_removal_takes_no_newer_entry()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        var store = Open(prefix);
        await using var links = new Links(Server.Options, ConnectionStrings.Parse(Server.ConnectionString), null, "test", NullLogger.Instance);
        var bucket = new StateBucket(new(links), $"{prefix}_state", NullLogger.Instance);
        var first = (await store.PutAsync("a", default, 0, Forever, Server.Deadline))!.Value;
        var second = (await store.PutAsync("a", default, first, Forever, Server.Deadline))!.Value;

        await bucket.PurgeAsync("a", (ulong)first, "test", Server.Deadline);
        Assert.Equal(second, (await store.GetAsync("a", Server.Deadline))!.Revision);
        await bucket.PurgeAsync("a", (ulong)second, "test", Server.Deadline);
        Assert.Null(await store.GetAsync("a", Server.Deadline));
        Assert.True(await store.PutAsync("a", default, 0, Forever, Server.Deadline) > second);
        await CloseAsync(prefix, store);
    }

    private static NatsStateStore Open(string prefix = "postrider") => Open(Server.Options with { Prefix = prefix });

    private static NatsStateStore Open(NatsOptions options, TimeSpan? keepDeleted = null) => new(
        new(options, ConnectionStrings.Parse(options.ConnectionString), null, "state", NullLogger.Instance), $"{options.Prefix}_state", NullLogger.Instance, keepDeleted);

    private static async Task CloseAsync(string prefix, params IStateStore[] stores)
    {
        foreach (var store in stores)
        {
            await store.DisposeAsync();
        }

        await Server.AskAsync($"STREAM.DELETE.KV_{prefix}_state");
    }

    private static async Task<IReadOnlyDictionary<string, StateEntry>> NextAsync(IAsyncEnumerator<IReadOnlyDictionary<string, StateEntry>> watch)
    {
        Assert.True(await watch.MoveNextAsync());
        return watch.Current;
    }

    private static async Task<long> RawPutAsync(string key, string value, params (string Name, string Value)[] headers)
    {
        await using var raw = await Server.RawAsync();
        var sent = new NatsHeaders();
        foreach (var (name, text) in headers)
        {
            sent.Add(name, text);
        }

        var answer = await raw.RequestAsync<string, string>($"$KV.postrider_state.{key}", value, sent, cancellationToken: Server.Deadline);
        return JsonElement.Parse(answer.Data!).GetProperty("seq").GetInt64();
    }

    private static Task<JsonElement> LastAsync(string key) => Server.AskAsync("STREAM.MSG.GET.KV_postrider_state", $$"""{"last_by_subj":"$KV.postrider_state.{{key}}"}""");

    private static bool IsDeleted(JsonElement last) =>
        last.GetProperty("message").TryGetProperty("hdrs", out _) && Text(last.GetProperty("message"), "hdrs").Contains("KV-Operation: DEL\r\n", StringComparison.Ordinal);

    private static async Task SignalAsync(PrivateBroker server, string signal)
    {
        var pid = (await File.ReadAllTextAsync(Path.Combine(server.Folder, "nats.pid"), Server.Deadline)).Trim();
        using var kill = Process.Start("kill", [$"-{signal}", pid]);
        await kill.WaitForExitAsync(Server.Deadline);
        Assert.Equal(0, kill.ExitCode);
    }

    private static async Task<long> StateAsync(string prefix, string what) =>
        (await Server.AskAsync($"STREAM.INFO.KV_{prefix}_state")).GetProperty("state").GetProperty(what).GetInt64();

    private static async Task<List<(string Name, string Inbox)>> ConsumersAsync(string prefix) =>
        [.. (await Server.AskAsync($"CONSUMER.LIST.KV_{prefix}_state")).GetProperty("consumers").EnumerateArray()
            .Select(static one => (one.GetProperty("name").GetString()!, one.GetProperty("config").GetProperty("deliver_subject").GetString()!))];

    private static async Task EventuallyAsync(Func<Task<bool>> isSo)
    {
        var deadline = Server.Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await isSo())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private static (string Value, long Revision) Of(StateEntry? entry) => (Encoding.UTF8.GetString(entry!.Value.Span), entry.Revision);

    private static string Text(JsonElement message, string property) => Encoding.UTF8.GetString(message.GetProperty(property).GetBytesFromBase64());
}
