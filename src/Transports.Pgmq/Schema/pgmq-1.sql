-- The SQL interface of PGMQ 1.5 for servers without the extension: the same names, signatures, tables and result shapes,
-- so that PGMQ clients of any language work with these queues. Runs once, inside the migration's transaction.

create schema if not exists pgmq;

create table pgmq.meta (
    queue_name varchar not null unique,
    is_partitioned boolean not null,
    is_unlogged boolean not null,
    created_at timestamptz not null default now()
);

create type pgmq.message_record as (
    msg_id bigint, read_ct integer, enqueued_at timestamptz, vt timestamptz, message jsonb, headers jsonb);

create type pgmq.queue_record as (
    queue_name varchar, is_partitioned boolean, is_unlogged boolean, created_at timestamptz);

create type pgmq.metrics_result as (
    queue_name text, queue_length bigint, newest_msg_age_sec integer, oldest_msg_age_sec integer,
    total_messages bigint, scrape_time timestamptz, queue_visible_length bigint);

-- Names ---------------------------------------------------------------------------------------------------------------

create function pgmq.validate_queue_name(queue_name text) returns void language plpgsql as $fn$
begin
    if queue_name is null or queue_name = '' then
        raise exception 'queue name is empty' using errcode = 'invalid_parameter_value';
    elsif length(queue_name) > 47 or octet_length(queue_name) > 47 then
        raise exception 'queue name is too long: % characters, at most 47', length(queue_name)
            using errcode = 'invalid_parameter_value';
    end if;
end $fn$;

-- The name of a queue's table ('q') or of its archive ('a').
create function pgmq.format_table_name(queue_name text, prefix text) returns text language plpgsql as $fn$
begin
    if queue_name like any (array['%$%', '%;%', '%--%', '%''%']) then
        raise exception 'queue name contains one of the characters that are not allowed: $ ; -- '''
            using errcode = 'invalid_parameter_value';
    end if;
    return lower(prefix || '_' || queue_name);
end $fn$;

-- Queues --------------------------------------------------------------------------------------------------------------

create function pgmq._make_queue(queue_name text, unlogged boolean) returns void language plpgsql as $fn$
declare
    q text := pgmq.format_table_name(queue_name, 'q');
    a text := pgmq.format_table_name(queue_name, 'a');
begin
    perform pgmq.validate_queue_name(queue_name);
    -- Two sessions that make the same queue at once would collide in the catalog: one waits for the other.
    perform pg_advisory_xact_lock(hashtext('pgmq.queue_' || queue_name));
    execute format(
        'create %s table if not exists pgmq.%I (
            msg_id bigint primary key generated always as identity,
            read_ct integer not null default 0,
            enqueued_at timestamptz not null default now(),
            vt timestamptz not null,
            message jsonb,
            headers jsonb)', case when unlogged then 'unlogged' else '' end, q);
    execute format(
        'create table if not exists pgmq.%I (
            msg_id bigint primary key,
            read_ct integer not null default 0,
            enqueued_at timestamptz not null default now(),
            archived_at timestamptz not null default now(),
            vt timestamptz not null,
            message jsonb,
            headers jsonb)', a);
    execute format('create index if not exists %I on pgmq.%I (vt)', q || '_vt_idx', q);
    execute format('create index if not exists %I on pgmq.%I (archived_at)', 'archived_at_idx_' || queue_name, a);
    insert into pgmq.meta as m (queue_name, is_partitioned, is_unlogged)
    values (_make_queue.queue_name, false, _make_queue.unlogged) on conflict do nothing;
end $fn$;

create function pgmq.create_non_partitioned(queue_name text) returns void language sql as $fn$
    select pgmq._make_queue(queue_name, false)
$fn$;

create function pgmq."create"(queue_name text) returns void language sql as $fn$
    select pgmq._make_queue(queue_name, false)
$fn$;

create function pgmq.create_unlogged(queue_name text) returns void language sql as $fn$
    select pgmq._make_queue(queue_name, true)
$fn$;

create function pgmq.create_partitioned(
    queue_name text, partition_interval text default '10000', retention_interval text default '100000')
returns void language plpgsql as $fn$
begin
    raise exception 'partitioned queues need the pgmq extension and pg_partman; this schema has ordinary queues only'
        using errcode = 'feature_not_supported';
end $fn$;

create function pgmq.convert_archive_partitioned(
    table_name text, partition_interval text default '10000', retention_interval text default '100000', leading_partition integer default 10)
returns void language plpgsql as $fn$
begin
    raise exception 'partitioned archives need the pgmq extension and pg_partman; this schema has ordinary ones only'
        using errcode = 'feature_not_supported';
end $fn$;

create function pgmq.drop_queue(queue_name text) returns boolean language plpgsql as $fn$
declare
    q text := pgmq.format_table_name(queue_name, 'q');
    a text := pgmq.format_table_name(queue_name, 'a');
begin
    perform pg_advisory_xact_lock(hashtext('pgmq.queue_' || queue_name));
    execute format('drop table if exists pgmq.%I', q);
    execute format('drop table if exists pgmq.%I', a);
    delete from pgmq.meta m where m.queue_name = drop_queue.queue_name;
    return true;
end $fn$;

create function pgmq.drop_queue(queue_name text, partitioned boolean) returns boolean language plpgsql as $fn$
begin
    raise warning 'drop_queue(queue_name, partitioned) is deprecated, use drop_queue(queue_name)';
    return pgmq.drop_queue(queue_name);
end $fn$;

-- Archives are ordinary tables here: there is nothing to detach.
create function pgmq.detach_archive(queue_name text) returns void language plpgsql as $fn$
begin
    perform pgmq.format_table_name(queue_name, 'a');
end $fn$;

create function pgmq.list_queues() returns setof pgmq.queue_record language sql stable as $fn$
    select queue_name, is_partitioned, is_unlogged, created_at from pgmq.meta
$fn$;

create function pgmq.purge_queue(queue_name text) returns bigint language plpgsql as $fn$
declare
    q text := pgmq.format_table_name(queue_name, 'q');
    purged bigint;
begin
    -- Counted under the lock that the truncation needs anyway, so that the number is true.
    execute format('lock table pgmq.%I in access exclusive mode', q);
    execute format('select count(*) from pgmq.%I', q) into purged;
    execute format('truncate table pgmq.%I', q);
    return purged;
end $fn$;

-- Metrics -------------------------------------------------------------------------------------------------------------

create function pgmq.metrics(queue_name text) returns pgmq.metrics_result language plpgsql as $fn$
declare
    q text := pgmq.format_table_name(queue_name, 'q');
    result pgmq.metrics_result;
begin
    execute format(
        'select $1,
                count(*),
                extract(epoch from now() - max(m.enqueued_at))::integer,
                extract(epoch from now() - min(m.enqueued_at))::integer,
                (select case when s.is_called then s.last_value else 0 end from pgmq.%I s),
                now(),
                count(*) filter (where m.vt <= now())
           from pgmq.%I m', q || '_msg_id_seq', q)
        into result using queue_name;
    return result;
end $fn$;

create function pgmq.metrics_all() returns setof pgmq.metrics_result language sql as $fn$
    select (pgmq.metrics(m.queue_name)).* from pgmq.meta m
$fn$;

-- Sending -------------------------------------------------------------------------------------------------------------

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamptz) returns setof bigint language plpgsql as $fn$
begin
    return query execute
        format('insert into pgmq.%I (vt, message, headers) values ($1, $2, $3) returning msg_id', pgmq.format_table_name(queue_name, 'q'))
        using delay, msg, headers;
end $fn$;

create function pgmq.send(queue_name text, msg jsonb) returns setof bigint language sql as $fn$
    select pgmq.send(queue_name, msg, null::jsonb, clock_timestamp())
$fn$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb) returns setof bigint language sql as $fn$
    select pgmq.send(queue_name, msg, headers, clock_timestamp())
$fn$;

create function pgmq.send(queue_name text, msg jsonb, delay integer) returns setof bigint language sql as $fn$
    select pgmq.send(queue_name, msg, null::jsonb, clock_timestamp() + make_interval(secs => delay))
$fn$;

create function pgmq.send(queue_name text, msg jsonb, delay timestamptz) returns setof bigint language sql as $fn$
    select pgmq.send(queue_name, msg, null::jsonb, delay)
$fn$;

create function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer) returns setof bigint language sql as $fn$
    select pgmq.send(queue_name, msg, headers, clock_timestamp() + make_interval(secs => delay))
$fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamptz)
returns setof bigint language plpgsql as $fn$
begin
    return query execute
        format('insert into pgmq.%I (vt, message, headers)
                select $1, i.message, i.headers
                  from unnest($2, $3) with ordinality as i (message, headers, place)
                 where i.place <= cardinality($2) or i.headers is not null
                 order by i.place
                returning msg_id', pgmq.format_table_name(queue_name, 'q'))
        using delay, msgs, coalesce(headers, '{}');
end $fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[]) returns setof bigint language sql as $fn$
    select pgmq.send_batch(queue_name, msgs, null::jsonb[], clock_timestamp())
$fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[]) returns setof bigint language sql as $fn$
    select pgmq.send_batch(queue_name, msgs, headers, clock_timestamp())
$fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer) returns setof bigint language sql as $fn$
    select pgmq.send_batch(queue_name, msgs, null::jsonb[], clock_timestamp() + make_interval(secs => delay))
$fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamptz) returns setof bigint language sql as $fn$
    select pgmq.send_batch(queue_name, msgs, null::jsonb[], delay)
$fn$;

create function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer) returns setof bigint language sql as $fn$
    select pgmq.send_batch(queue_name, msgs, headers, clock_timestamp() + make_interval(secs => delay))
$fn$;

-- Reading -------------------------------------------------------------------------------------------------------------

create function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb default '{}')
returns setof pgmq.message_record language plpgsql as $fn$
declare
    q text := pgmq.format_table_name(queue_name, 'q');
begin
    return query execute
        format('with due as materialized (
                    select msg_id from pgmq.%1$I
                     where vt <= clock_timestamp() and ($3 = ''{}''::jsonb or message @> $3)
                     order by msg_id limit $2
                       for update skip locked),
                leased as (
                    update pgmq.%1$I m set vt = clock_timestamp() + make_interval(secs => $1), read_ct = m.read_ct + 1
                      from due where m.msg_id = due.msg_id
                    returning m.msg_id, m.read_ct, m.enqueued_at, m.vt, m.message, m.headers)
                select * from leased order by msg_id', q)
        using vt, qty, coalesce(conditional, '{}');
end $fn$;

create function pgmq.read_with_poll(
    queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, poll_interval_ms integer default 100,
    conditional jsonb default '{}')
returns setof pgmq.message_record language plpgsql as $fn$
declare
    deadline timestamptz := clock_timestamp() + make_interval(secs => max_poll_seconds);
begin
    while clock_timestamp() < deadline loop
        return query select * from pgmq.read(queue_name, vt, qty, conditional);
        exit when found;
        perform pg_sleep(poll_interval_ms / 1000.0);
    end loop;
end $fn$;

create function pgmq.pop(queue_name text) returns setof pgmq.message_record language plpgsql as $fn$
begin
    return query execute
        format('delete from pgmq.%1$I m
                 where m.msg_id = (select msg_id from pgmq.%1$I where vt <= clock_timestamp()
                                    order by msg_id limit 1 for update skip locked)
                returning m.msg_id, m.read_ct, m.enqueued_at, m.vt, m.message, m.headers', pgmq.format_table_name(queue_name, 'q'));
end $fn$;

create function pgmq.set_vt(queue_name text, msg_id bigint, vt integer) returns setof pgmq.message_record language plpgsql as $fn$
begin
    return query execute
        format('update pgmq.%I m set vt = clock_timestamp() + make_interval(secs => $2)
                 where m.msg_id = $1
                returning m.msg_id, m.read_ct, m.enqueued_at, m.vt, m.message, m.headers', pgmq.format_table_name(queue_name, 'q'))
        using msg_id, vt;
end $fn$;

create function pgmq.delete(queue_name text, msg_ids bigint[]) returns setof bigint language plpgsql as $fn$
begin
    return query execute
        format('delete from pgmq.%I where msg_id = any ($1) returning msg_id', pgmq.format_table_name(queue_name, 'q')) using msg_ids;
end $fn$;

create function pgmq.delete(queue_name text, msg_id bigint) returns boolean language sql as $fn$
    select exists (select from pgmq.delete(queue_name, array[msg_id]))
$fn$;

create function pgmq.archive(queue_name text, msg_ids bigint[]) returns setof bigint language plpgsql as $fn$
begin
    return query execute
        format('with moved as (
                    delete from pgmq.%I where msg_id = any ($1) returning msg_id, read_ct, enqueued_at, vt, message, headers)
                insert into pgmq.%I (msg_id, read_ct, enqueued_at, vt, message, headers)
                select msg_id, read_ct, enqueued_at, vt, message, headers from moved
                returning msg_id', pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'))
        using msg_ids;
end $fn$;

create function pgmq.archive(queue_name text, msg_id bigint) returns boolean language sql as $fn$
    select exists (select from pgmq.archive(queue_name, array[msg_id]))
$fn$;

-- Monitoring roles may look, as with the extension.
grant usage on schema pgmq to pg_monitor;
grant select on all tables in schema pgmq to pg_monitor;
alter default privileges in schema pgmq grant select on tables to pg_monitor;
alter default privileges in schema pgmq grant select on sequences to pg_monitor;
