using System.Buffers;
using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// Prepares the database once: PGMQ (the extension, or the same SQL interface of our own) and the schema <c>postrider</c>. One transaction
/// under an advisory lock, so that processes that start together do it once, and an interrupted one leaves nothing.
/// </summary>
internal sealed class SchemaMigration(Connections connections, bool create, ILogger log) : PreparedOnce
{
    /// <summary>The version that this code works with. Version <c>n</c> is made from <c>n - 1</c> by <c>Schema/postrider-n.sql</c>.</summary>
    public const int Version = 5;

    private const string Component = "pgmq";

    private static readonly Version OldestExtension = new(1, 5);
    private static readonly SearchValues<char> VersionCharacters = SearchValues.Create("0123456789.");

    /// <summary>The text of a script.</summary>
    internal static string Script(string name) => Components.Script(typeof(SchemaMigration).Assembly, name);

    /// <exception cref="TransportException">The database cannot be reached or prepared, or is newer than this code.</exception>
    protected override async Task PrepareAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var connection = await connections.OpenAsync(connections.Receive, "prepare the database", cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                try
                {
                    if (!await IsCurrentAsync(connection, cancellationToken).ConfigureAwait(false))
                    {
                        await MigrateAsync(connection, cancellationToken).ConfigureAwait(false);
                    }

                    return;
                }
                catch (PostgresException e) when (attempt < 5 && e.SqlState is PostgresErrorCodes.UniqueViolation
                    or PostgresErrorCodes.DuplicateSchema or PostgresErrorCodes.DuplicateTable or PostgresErrorCodes.DuplicateObject)
                {
                    // Somebody who does not know our lock made the same thing at the same time. Now it is there.
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    throw connections.Failed(e, "prepare the database");
                }
            }
        }
    }

    private async Task<bool> IsCurrentAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var state = await ReadStateAsync(connection, cancellationToken).ConfigureAwait(false);
        CheckPgmq(state);
        var version = await Components.VersionAsync(connection, Component, cancellationToken).ConfigureAwait(false);
        if (version > Version)
        {
            throw Mismatch($"the schema 'postrider' has version {version}, and this program knows versions up to {Version}. Deploy a newer program");
        }

        if (version < Version && !create)
        {
            throw Mismatch($"the schema 'postrider' has version {version}, and this program needs {Version}. Start it once with CreateSchema = true and a role that may create schemas");
        }

        return version == Version && state.HasPgmq;
    }

    private async Task MigrateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            await Components.LockAsync(connection, cancellationToken).ConfigureAwait(false);
            if (await IsCurrentAsync(connection, cancellationToken).ConfigureAwait(false))
            {
                return;
            }

            var state = await ReadStateAsync(connection, cancellationToken).ConfigureAwait(false);
            if (!state.HasPgmq)
            {
                await InstallPgmqAsync(connection, cancellationToken).ConfigureAwait(false);
            }

            await Components.CreateAsync(connection, cancellationToken).ConfigureAwait(false);
            var version = await Components.VersionAsync(connection, Component, cancellationToken).ConfigureAwait(false);
            for (var next = version + 1; next <= Version; next++)
            {
                await Components.ExecuteAsync(connection, Script($"postrider-{next}"), cancellationToken).ConfigureAwait(false);
            }

            await Components.SetVersionAsync(connection, Component, Version, cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
            log.SchemaPrepared(connections.Where, version, Version);
        }
    }

    private async Task InstallPgmqAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var available = await Components.ScalarAsync(connection, Sql.AvailableExtension, cancellationToken).ConfigureAwait(false) as string;
        if (available is null)
        {
            await Components.ExecuteAsync(connection, Script("pgmq-1"), cancellationToken).ConfigureAwait(false);
            log.PgmqInstalled(connections.Where, "own schema");
            return;
        }

        CheckExtension(available, "the server offers");
        await Components.ExecuteAsync(connection, Sql.CreateExtension, cancellationToken).ConfigureAwait(false);
        log.PgmqInstalled(connections.Where, "extension " + available);
    }

    private void CheckPgmq(in State state)
    {
        if (state.Extension is not null)
        {
            CheckExtension(state.Extension, "the database has");
        }
        else if (state.HasMeta && !state.HasSend)
        {
            throw Mismatch("the schema 'pgmq' is older than PGMQ 1.5 (it has no messages with headers). Upgrade it");
        }
    }

    private void CheckExtension(string version, string whoHas)
    {
        var end = version.AsSpan().IndexOfAnyExcept(VersionCharacters);
        if (!System.Version.TryParse(end < 0 ? version : version[..end], out var parsed) || parsed < OldestExtension)
        {
            throw Mismatch($"{whoHas} the extension pgmq {version}, and {OldestExtension} or later is needed. Install a newer one and run ALTER EXTENSION pgmq UPDATE");
        }
    }

    private TransportException Mismatch(string why) =>
        new($"The database on PostgreSQL at {connections.Where} cannot be used: {why}.", TransportError.SchemaMismatch);

    private static async Task<State> ReadStateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(Sql.SchemaState, connection);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                return new(await reader.IsDBNullAsync(0, cancellationToken).ConfigureAwait(false) ? null : reader.GetString(0), reader.GetBoolean(1), reader.GetBoolean(2));
            }
        }
    }

    private readonly record struct State(string? Extension, bool HasMeta, bool HasSend)
    {
        public bool HasPgmq => Extension is not null || HasMeta;
    }
}
