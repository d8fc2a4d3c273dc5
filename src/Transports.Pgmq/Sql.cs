namespace Postrider.Transports.Pgmq;

/// <summary>The statements. Table names come only from <see cref="TableName"/> and hold <c>a-z 0-9 _</c>.</summary>
internal static class Sql
{
    /// <summary>The class of the locks that receivers hold while they wait. Also in <c>postrider.publish</c>.</summary>
    private const string WaitLockClass = "1886352243";

    /// <summary>
    /// For each session that works on queues. Their tables swing between empty and full, so plans that are kept from an empty time
    /// read the full table once for each batch (measured: a hundred times slower). The indexes are always right.
    /// </summary>
    public const string PlanForQueues = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off";

    public const string SchemaState =
        """
        select (select extversion from pg_extension where extname = 'pgmq'),
               to_regclass('pgmq.meta') is not null,
               to_regprocedure('pgmq.send(text,jsonb,jsonb,timestamp with time zone)') is not null
        """;

    /// <summary>The newest version of the extension that the server could install.</summary>
    public const string AvailableExtension = "select default_version from pg_available_extensions where name = 'pgmq'";

    public const string CreateExtension = "create extension pgmq";

    public const string Declare = "select postrider.declare($1, $2, $3, $4, $5, $6)";

    public const string GivePriorities = "select postrider.give_priorities($1)";

    public const string TableOf = "select postrider.table_of($1)";

    /// <summary>The table of a queue, and whether it has priorities; no row if there is none.</summary>
    public const string FindQueue =
        """
        select t.name, exists (select from postrider.queues q where q.table_name = t.name and q.priorities)
          from postrider.table_of($1) as t (name) where t.name is not null
        """;

    /// <summary>
    /// The queues whose names begin with $1, those that others made too. A dead-letter queue has a name of its own, or is known by the one that it is beside.
    /// </summary>
    public const string ListQueues =
        """
        select coalesce(q.name, m.queue_name) from pgmq.meta m left join postrider.queues q on q.table_name = m.queue_name
         where starts_with(coalesce(q.name, m.queue_name), $1)
           and not exists (select from postrider.reply_queues r where r.table_name = m.queue_name)
           and (q.name is not null or not exists (select from pgmq.meta other where other.queue_name || '_dlq' = m.queue_name))
        """;

    /// <summary>$2 how long it stays without another sign, in seconds.</summary>
    public const string KeepReplyQueue = "select postrider.keep_reply_queue($1, $2 * interval '1 second')";

    public const string Publish = "select postrider.publish($1, $2, $3, $4, $5)";

    /// <summary>$6 the ids, $7 for how long a second one of each is a duplicate, in microseconds (a caller's data source may map intervals in a way of its own).</summary>
    public const string PublishOnce = "select postrider.publish($1, $2, $3, $4, $5, $6, $7 * interval '1 microsecond')";

    /// <summary>
    /// Removes the ids whose window is over from 32 pages, which hold some 2,500. Any 32: pages are filled in the order of time, and so all or nothing of most is to be
    /// removed; an index of the time, which would lead to the oldest, would cost each publish. What others have in hand, a publish of the id anew or another
    /// process that forgets, is left to them.
    /// </summary>
    public const string ForgetIds =
        """
        with part as materialized (
            select (floor(random() * ceil(pg_relation_size('postrider.message_ids') / current_setting('block_size')::float / 32)) * 32)::int as first)
        delete from postrider.message_ids where ctid = any (array(
            select m.ctid from postrider.message_ids m
             where m.ctid >= (select format('(%s,0)', first)::tid from part) and m.ctid < (select format('(%s,0)', first + 32)::tid from part)
               and m.expires_at <= now()
               for update skip locked))
        """;

    /// <summary>
    /// To queues of others, by their own interface. Parameters and answer as of <see cref="Publish"/>, the first one unused. It asks for the queue before, since an
    /// error would be the end of a caller's transaction.
    /// </summary>
    public const string PublishMapped =
        """
        select array_agg(
                   case when exists (
                       select from pg_attribute
                        where attrelid = to_regclass('pgmq.' || quote_ident(pgmq.format_table_name(i.name, 'q'))) and attname = 'headers' and not attisdropped)
                   then (select count(*)::integer from pgmq.send(i.name, i.body, i.headers, clock_timestamp() + i.delay * interval '1 microsecond'))
                   else 0 end)
          from unnest($2, $3, $4, $5) as i (name, body, headers, delay)
        """;

    public const string Listen = "listen postrider";

    public const string Wait = $"select pg_try_advisory_lock_shared({WaitLockClass}, hashtext($1))";

    public const string EndWait = $"select pg_advisory_unlock_shared({WaitLockClass}, hashtext($1))";

    /// <summary>
    /// $1 how many, $2 the lease in microseconds, $3 where to begin (<see cref="ClaimFloor"/>). <c>now()</c> and not <c>clock_timestamp()</c> in the condition, so that the index is used:
    /// rows that are delayed or leased cost nothing.
    /// </summary>
    public static string Claim(string table) =>
        $"""
        with due as materialized (
            select msg_id, vt from pgmq.q_{table} where vt >= $3 and vt <= now() order by vt limit $1 for update skip locked)
        update pgmq.q_{table} q
           set vt = clock_timestamp() + $2 * interval '1 microsecond', read_ct = q.read_ct + 1
          from due where q.msg_id = due.msg_id
        returning q.msg_id, q.read_ct, q.message::text, q.headers::text, due.vt
        """;

    /// <summary>
    /// As <see cref="Claim"/>, of a queue with priorities: $1 how many, $2 the lease in microseconds, $3 how many of those at most are to be of lower levels than the highest that
    /// waits, and $4 all levels in the order in which they have turns then (<see cref="ClaimTurns"/>). Levels are looked at until there are enough, with a probe of the index
    /// for each; a row is locked when it is taken. The last column says whether the row is one of those of lower levels.
    /// </summary>
    public static string ClaimByLevel(string table)
    {
        // Ordered by both, so that no plan can be had from the index of vt.
        string Due(string limit, string and = "") =>
            $"""
            select q.msg_id, q.vt from pgmq.q_{table} q
                     where postrider.level(q.headers) = l.level and q.vt <= now(){and}
                     order by postrider.level(q.headers), q.vt limit {limit}
            """;

        return $"""
            with highest as materialized (
                select l.level from unnest(array[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]) as l (level) cross join lateral (
                    {Due("1")}) w
                 limit 1),
            lower as materialized (
                select w.msg_id, w.vt from unnest($4) as l (level) cross join lateral (
                    {Due("$3")} for update skip locked) w
                 where l.level < (select level from highest) limit $3),
            upper as materialized (
                select w.msg_id, w.vt from unnest(array[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]) as l (level) cross join lateral (
                    {Due("$1", " and q.msg_id <> all (array(select msg_id from lower))")} for update skip locked) w
                 limit $1 - (select count(*) from lower)),
            due as materialized (select msg_id, vt, false as is_lower from upper union all select msg_id, vt, true from lower)
            update pgmq.q_{table} q
               set vt = clock_timestamp() + $2 * interval '1 microsecond', read_ct = q.read_ct + 1
              from due where q.msg_id = due.msg_id
            returning q.msg_id, q.read_ct, q.message::text, q.headers::text, due.vt, due.is_lower
            """;
    }

    /// <summary>Microseconds until the next row is due, of those that are not due yet, or null if there is none; and how many it took to find out.</summary>
    public static string NextDue(string table) =>
        $"""
        select (select (extract(epoch from vt - clock_timestamp()) * 1000000)::bigint
                  from pgmq.q_{table} where vt > now() order by vt limit 1),
               (extract(epoch from clock_timestamp() - statement_timestamp()) * 1000000)::bigint
        """;

    /// <summary>$1 ids, $2 read counts. A row that another has read since does not match.</summary>
    public static string Ack(string table) =>
        $"""
        delete from pgmq.q_{table} q
         using unnest($1, $2) with ordinality as s (id, reads, place)
         where q.msg_id = s.id and q.read_ct = s.reads
        returning s.place
        """;

    /// <summary>As <see cref="Ack"/>, into PGMQ's archive.</summary>
    public static string Archive(string table) =>
        $"""
        with gone as (
            delete from pgmq.q_{table} q
             using unnest($1, $2) with ordinality as s (id, reads, place)
             where q.msg_id = s.id and q.read_ct = s.reads
            returning s.place, q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message, q.headers),
        kept as (
            insert into pgmq.a_{table} (msg_id, read_ct, enqueued_at, vt, message, headers)
            select msg_id, read_ct, enqueued_at, vt, message, headers from gone)
        select place from gone
        """;

    /// <summary>
    /// $1 ids, $2 read counts, $3 delays in microseconds, $4 attempts, $5 reads already accounted for, $6 the old <c>vt</c> of what goes back to its place, which has no
    /// delay. The read count rises, so that it no longer
    /// fits what its last holder knows: a renewal under way at the same time would else hide the row for another lease.
    /// </summary>
    public static string GiveBack(string table) =>
        $"""
        update pgmq.q_{table} q
           set vt = coalesce(s.due, clock_timestamp() + s.delay * interval '1 microsecond'),
               read_ct = q.read_ct + 1,
               headers = case when jsonb_typeof(q.headers) = 'object' then q.headers else jsonb_build_object() end
                   || jsonb_build_object('{EnvelopeMapper.Attempt}', s.attempt, '{EnvelopeMapper.Reads}', s.counted)
          from unnest($1, $2, $3, $4, $5, $6) with ordinality as s (id, reads, delay, attempt, counted, due, place)
         where q.msg_id = s.id and q.read_ct = s.reads
        returning s.place
        """;

    /// <summary>$1 ids, $2 read counts, $3 headers that are added. The copy and the removal are one.</summary>
    public static string DeadLetter(string table) =>
        $"""
        with gone as (
            delete from pgmq.q_{table} q
             using unnest($1, $2, $3) with ordinality as s (id, reads, added, place)
             where q.msg_id = s.id and q.read_ct = s.reads
            returning s.place, s.added, q.message, q.headers),
        kept as (
            insert into pgmq.q_{table}_dlq (vt, message, headers)
            select clock_timestamp(), message,
                   (case when jsonb_typeof(headers) = 'object' then headers - '{EnvelopeMapper.Reads}' else jsonb_build_object() end) || added
              from gone order by place)
        select place from gone
        """;

    /// <summary>
    /// How many rows are ready, how many are not and how many of those somebody has in hand, which are those whose reads are not all accounted for; and how many microseconds ago the
    /// oldest fell due. What is ready is told by the index alone, so that a long queue takes no longer than its count.
    /// </summary>
    public static string Depth(string table) =>
        $"""
        select (select count(*) from pgmq.q_{table} where vt <= now()),
               count(*),
               count(*) filter (where read_ct > 0 and read_ct > case
                   when jsonb_typeof(headers -> '{EnvelopeMapper.Reads}') = 'number' then (headers -> '{EnvelopeMapper.Reads}')::numeric else 0 end),
               (select coalesce((extract(epoch from now() - min(vt)) * 1000000)::bigint, 0) from pgmq.q_{table} where vt <= now())
          from pgmq.q_{table} where vt > now()
        """;

    public static string Count(string table) => $"select count(*) from pgmq.q_{table}";

    /// <summary>$1 behind which id, $2 how many. The last column says whether the row is due.</summary>
    public static string Browse(string table) =>
        $"select msg_id, message::text, headers::text, read_ct, vt, vt <= now() from pgmq.q_{table} where msg_id > $1 order by msg_id limit $2";

    public static string Last(string table) => $"select coalesce(max(msg_id), 0) from pgmq.q_{table}";

    /// <summary>
    /// $1 behind which id, $2 the last id, $3 whether delayed ones too, $4 how many. How many were removed, and the last of them. What is not due and was read more often
    /// than is accounted for is in hand; what somebody is just claiming is locked.
    /// </summary>
    public static string Flush(string table) =>
        $$"""
        with gone as materialized (
            select q.msg_id from pgmq.q_{{table}} q
             where q.msg_id > $1 and q.msg_id <= $2
               and (q.vt <= now()
                    or $3 and q.read_ct <= case when q.headers ->> '{{EnvelopeMapper.Reads}}' ~ '^[0-9]{1,9}$' then (q.headers ->> '{{EnvelopeMapper.Reads}}')::integer else 0 end)
             order by q.msg_id limit $4 for update skip locked),
        removed as (
            delete from pgmq.q_{{table}} q using gone where q.msg_id = gone.msg_id returning q.msg_id)
        select count(*), coalesce(max(msg_id), 0) from removed
        """;

    /// <summary>$1 the id.</summary>
    public static string Delete(string table) => $"delete from pgmq.q_{table} where msg_id = $1";

    /// <summary>$1 ids, $2 read counts, $3 the lease in microseconds.</summary>
    public static string Renew(string table) =>
        $"""
        update pgmq.q_{table} q set vt = clock_timestamp() + $3 * interval '1 microsecond'
          from unnest($1, $2) with ordinality as s (id, reads, place)
         where q.msg_id = s.id and q.read_ct = s.reads
        returning s.place
        """;
}
