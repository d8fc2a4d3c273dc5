using Microsoft.Extensions.Logging;
using Npgsql;

namespace Postrider.Persistence.Postgres;

/// <summary>
/// Makes the table exist, once. One transaction under the lock of the schema <c>postrider</c>, so that processes that start together do it once, and an interrupted
/// one leaves nothing. Nothing is needed of a role where the table is there.
/// </summary>
internal sealed class StateSchema(StateConnections connections, bool create, ILogger log) : PreparedOnce
{
    /// <summary>The version that this code works with. Version <c>n</c> is made from <c>n - 1</c> by <c>Schema/state-n.sql</c>.</summary>
    public const int Version = 1;

    private const string Component = "state";

    /// <summary>All that a person has to run where the application may not.</summary>
    public static string Script =>
        $"""
        {Components.Create}
        {string.Concat(Enumerable.Range(1, Version).Select(static version => ScriptOf(version)))}
        insert into postrider.components (name, version) values ('{Component}', {Version}) on conflict (name) do update set version = excluded.version, installed_at = now();
        -- For the role of the application:
        -- grant usage on schema postrider to ...;
        -- grant select on postrider.components to ...;
        -- grant select, insert, update, delete on postrider.state to ...;
        -- grant usage on sequence postrider.state_revision to ...;
        """;

    /// <exception cref="StateStoreException">The database cannot be reached or prepared, or is newer than this code.</exception>
    protected override async Task PrepareAsync(CancellationToken cancellationToken)
    {
        try
        {
            var connection = await StateConnections.OpenAsync(connections.Calls, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                var version = await VersionAsync(connection, cancellationToken).ConfigureAwait(false);
                if (version < Version)
                {
                    await CreateAsync(connection, version, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw connections.Failed(e, "prepare the state store");
        }
    }

    private async Task CreateAsync(NpgsqlConnection connection, int found, CancellationToken cancellationToken)
    {
        if (!create)
        {
            throw Missing(found, "CreateTable is false", null);
        }

        try
        {
            var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
            await using (transaction.ConfigureAwait(false))
            {
                await Components.LockAsync(connection, cancellationToken).ConfigureAwait(false);
                var version = await VersionAsync(connection, cancellationToken).ConfigureAwait(false);
                if (version == Version)
                {
                    return;
                }

                await Components.CreateAsync(connection, cancellationToken).ConfigureAwait(false);
                for (var next = version + 1; next <= Version; next++)
                {
                    await Components.ExecuteAsync(connection, ScriptOf(next), cancellationToken).ConfigureAwait(false);
                }

                await Components.SetVersionAsync(connection, Component, Version, cancellationToken).ConfigureAwait(false);
                await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
                log.StatePrepared(connections.Where, version, Version);
            }
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw Missing(found, $"the role may not create it ({e.MessageText})", e);
        }
    }

    /// <summary>The version of what is there; 0 if it is not.</summary>
    /// <exception cref="StateStoreException">It is newer than this code.</exception>
    private async Task<int> VersionAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var version = await Components.VersionAsync(connection, Component, cancellationToken).ConfigureAwait(false);
        if (version > Version)
        {
            throw new StateStoreException(
                $"The state store on PostgreSQL at {connections.Where} has version {version}, and this program knows versions up to {Version}. Deploy a newer program.",
                isTransient: false);
        }

        var isThere = await Components.ScalarAsync(connection, "select to_regclass('postrider.state') is not null", cancellationToken).ConfigureAwait(false);
        return isThere is true ? version : 0;
    }

    private StateStoreException Missing(int version, string why, Exception? error) => new(
        $"The state store on PostgreSQL at {connections.Where} {(version == 0 ? "is not there" : $"has version {version} instead of {Version}")}, and {why}. "
        + $"Start once with CreateTable = true and a role that may create schemas, or have this run:\n{Script}", isTransient: false, error);

    private static string ScriptOf(int version) => Components.Script(typeof(StateSchema).Assembly, $"state-{version}");
}
