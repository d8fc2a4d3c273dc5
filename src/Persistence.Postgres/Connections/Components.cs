using Npgsql;
using NpgsqlTypes;

namespace Postrider.Persistence.Postgres;

/// <summary>
/// The schema <c>postrider</c> and what is installed in it: for each component one row with its version. All who change it take the same advisory lock, so that
/// processes that start together do it one after another.
/// </summary>
internal static class Components
{
    /// <summary>The class of all advisory locks of the schema: "posr" as a number. Also in the scripts of PGMQ.</summary>
    public const string LockClass = "1886352242";

    /// <summary>Creating a schema takes a right even if it is there already: hence the look.</summary>
    public const string Create =
        """
        do $$ begin
            if to_regnamespace('postrider') is null then
                create schema postrider;
            end if;
            if to_regclass('postrider.components') is null then
                create table postrider.components (
                    name text primary key,
                    version integer not null,
                    installed_at timestamptz not null default now());
            end if;
        end $$;
        """;

    /// <summary>Waits for others who change the schema, longer than a statement usually takes; held to the end of the transaction.</summary>
    public static Task LockAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        ExecuteAsync(connection, $"select pg_advisory_xact_lock({LockClass}, 1)", cancellationToken);

    /// <summary>The version of a component; 0 if it is not there.</summary>
    public static async Task<int> VersionAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken)
    {
        if (await ScalarAsync(connection, "select to_regclass('postrider.components') is not null", cancellationToken).ConfigureAwait(false) is not true)
        {
            return 0;
        }

        var command = new NpgsqlCommand("select version from postrider.components where name = $1", connection);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) as int? ?? 0;
        }
    }

    /// <summary>Creates the schema and the table of components where they are not there.</summary>
    public static Task CreateAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => ExecuteAsync(connection, Create, cancellationToken);

    public static async Task SetVersionAsync(NpgsqlConnection connection, string name, int version, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(
            """
            insert into postrider.components as c (name, version) values ($1, $2)
            on conflict (name) do update set version = excluded.version, installed_at = now()
            """, connection);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = version, NpgsqlDbType = NpgsqlDbType.Integer });
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection);
        await using (command.ConfigureAwait(false))
        {
            return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Runs a script, which may take longer than a statement usually does.</summary>
    public static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 120 };
        await using (command.ConfigureAwait(false))
        {
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The text of a script that is embedded in an assembly.</summary>
    public static string Script(System.Reflection.Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream($"{assembly.GetName().Name}.Schema.{name}.sql")
            ?? throw new InvalidOperationException($"The script {name} is missing.");
        using var text = new StreamReader(stream);
        return text.ReadToEnd();
    }
}
