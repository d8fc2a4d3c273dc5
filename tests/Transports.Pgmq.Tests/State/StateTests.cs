using Npgsql;
using Postrider.Core.State;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>What the tests of the state store have in common: a database for each test.</summary>
public abstract class StateTests : IAsyncLifetime
{
    protected static readonly TimeSpan Forever = Timeout.InfiniteTimeSpan;

    protected static CancellationToken Deadline => Database.Deadline;

    private protected Database Database { get; } = new();

    private protected PostgresStateOptions Options => new() { ConnectionString = Database.ConnectionString };

    public ValueTask InitializeAsync() => Database.InitializeAsync();

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return Database.DisposeAsync();
    }

    private protected PostgresStateStore Store() => new(Options);

    private protected static async Task<long> PutAsync(IStateStore store, string key, TimeSpan? life = null) =>
        Assert.NotNull(await store.PutAsync(key, new byte[] { 1 }, 0, life ?? Forever, Deadline));

    private protected static async Task<StateStoreException> FailsAsync(IStateStore store, bool isTransient)
    {
        var error = await Assert.ThrowsAsync<StateStoreException>(async () => await store.GetAsync("a", Deadline));
        Assert.True(error.IsTransient == isTransient, error.ToString());
        return error;
    }

    private protected static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        var deadline = Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await isSo())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    /// <summary>As another role, which may do nothing yet but connect.</summary>
    private protected async Task<(string Role, PostgresStateOptions Options)> NewRoleAsync()
    {
        var role = "r" + Guid.NewGuid().ToString("N")[..10];
        await Database.AdministerAsync($"create role {role} login password 'r'");
        return (role, Options with { ConnectionString = new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = role, Password = "r" }.ConnectionString });
    }

    private protected async Task DropRoleAsync(string role)
    {
        await Database.SqlAsync($"drop owned by {role}");
        await Database.AdministerAsync($"drop role {role}");
    }

    /// <summary>Reads a watch to its newest snapshot.</summary>
    private protected sealed class Watching : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _reading;
        private volatile IReadOnlyDictionary<string, StateEntry>? _seen;

        public Watching(IStateStore store, string prefix) => _reading = Task.Run(async () =>
        {
            await foreach (var seen in store.WatchAsync(prefix, _stop.Token))
            {
                _seen = seen;
            }
        });

        public Task SeesAsync(params string[] keys) =>
            UntilAsync(() => Task.FromResult(_seen is { } seen && seen.Keys.Order(StringComparer.Ordinal).SequenceEqual(keys)));

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
        }
    }
}
