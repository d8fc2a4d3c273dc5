namespace Postrider.Persistence.Postgres;

/// <summary>The statements of the state store. All times are the server's, of the moment and not of the transaction's beginning.</summary>
internal static class StateSql
{
    /// <summary>Where changes are told of: the payload is the key.</summary>
    public const string Channel = "postrider_state";

    public const string Listen = $"listen {Channel}";

    /// <summary>$1 a payload.</summary>
    public const string Tell = $"select pg_notify('{Channel}', $1)";

    /// <summary>$1 the key.</summary>
    public const string Get = $"select value, revision from postrider.state where key = $1 and {IsAlive}";

    /// <summary>$1 and $2 the ends of the range; the last column is how many seconds are left. In their collation "." is followed by "/".</summary>
    public const string List =
        $"""
        select key, value, revision, extract(epoch from expires_at - clock_timestamp())::double precision
        from postrider.state where key > $1 and key < $2 and {IsAlive}
        """;

    /// <summary>
    /// $1 the key, $2 the value, $3 the time to live. Of what is not there or has expired. The revision is drawn when it is this put's turn; drawn before, it could be
    /// lower than one that another put and a delete leave behind meanwhile.
    /// </summary>
    public const string PutNew =
        $"""
        with turn as materialized (select pg_advisory_xact_lock({KeyLockClass}, hashtext($1)), {Durable}),
        put as (
            insert into postrider.state as old (key, value, revision, expires_at)
            select $1, $2, nextval('postrider.state_revision'), clock_timestamp() + $3 from turn
            on conflict (key) do update set value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at
            where old.expires_at <= clock_timestamp()
            returning revision)
        select revision, pg_notify('{Channel}', $1) from put
        """;

    /// <summary>$1 the key, $2 the value, $3 the time to live, $4 the revision of what is replaced.</summary>
    public const string Replace =
        $"""
        with turn as materialized (select pg_advisory_xact_lock({KeyLockClass}, hashtext($1)), {Durable}),
        put as (
            update postrider.state set value = $2, revision = nextval('postrider.state_revision'), expires_at = clock_timestamp() + $3
            from turn where key = $1 and revision = $4 and {IsAlive}
            returning revision)
        select revision, pg_notify('{Channel}', $1) from put
        """;

    /// <summary>$1 the key, $2 the revision.</summary>
    public const string Delete =
        $"""
        with turn as materialized (select {Durable}),
        gone as (delete from postrider.state using turn where key = $1 and revision = $2 and {IsAlive} returning key)
        select pg_notify('{Channel}', key) from gone
        """;

    /// <summary>$1 the most rows. Whoever watches has counted down himself, so nobody is told.</summary>
    public const string Clean =
        """
        with expired as (select key from postrider.state where expires_at <= clock_timestamp() limit $1 for update skip locked)
        delete from postrider.state using expired where state.key = expired.key
        """;

    private const string IsAlive = "(expires_at is null or expires_at > clock_timestamp())";

    /// <summary>For this transaction, whatever the server's, the database's or the role's setting; stronger ones are kept.</summary>
    private const string Durable = "case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', true) end";

    /// <summary>The class of the advisory locks of keys while they are put: "post" as a number.</summary>
    private const string KeyLockClass = "1886352244";
}
