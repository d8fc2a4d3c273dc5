-- What PGMQ itself does not have: the names of queues, the bindings of topics, and publishing to both in one statement.
-- Runs once, inside the migration's transaction.

-- PGMQ allows fewer characters in a name than other brokers, so a queue's name and its table's name differ ('a.b' is in 'a_b').
-- The unique constraint refuses a second queue that would share the table.
create table postrider.queues (
    name text primary key,
    table_name text not null constraint queues_share_no_table unique,
    declared_at timestamptz not null default now()
);

create table postrider.bindings (
    pattern text not null,
    queue text not null references postrider.queues on delete cascade,
    expression text,                     -- of a pattern with wildcards: matches '.' || topic
    prefix text,                         -- and what that begins with in any case: spares most of the matching
    primary key (pattern, queue)
);
create index bindings_wildcards on postrider.bindings (prefix) where expression is not null;

-- Makes queues and bindings exist. Adds only. Raises PR001 if two queues would share a table.
create function postrider.declare(
    names text[], tables text[], patterns text[], queues text[], expressions text[], prefixes text[])
returns void language plpgsql as $fn$
declare
    added record;
begin
    perform pg_advisory_xact_lock(1886352242, 2);
    for added in select n.name, n.table_name from unnest(names, tables) as n (name, table_name) order by n.table_name loop
        insert into postrider.queues as q (name, table_name) values (added.name, added.table_name) on conflict do nothing;
        if not exists (select from postrider.queues q where q.name = added.name and q.table_name = added.table_name) then
            raise exception 'The queues ''%'' and ''%'' would share the table pgmq.q_%: in PGMQ dots and dashes become underscores. Rename one.',
                added.name, (select q.name from postrider.queues q where q.table_name = added.table_name), added.table_name
                using errcode = 'PR001';
        end if;
        -- A queue that another client made is taken as it is.
        if to_regclass('pgmq.' || quote_ident('q_' || added.table_name)) is null
            or to_regclass('pgmq.' || quote_ident('a_' || added.table_name)) is null then
            perform pgmq.create(added.table_name);
            -- A queue is all dead rows soon. The default waits until a fifth of the table is dead, and then goes about it gently.
            execute format(
                'alter table pgmq.%I set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)',
                'q_' || added.table_name);
        end if;
    end loop;
    insert into postrider.bindings (pattern, queue, expression, prefix)
    select b.pattern, b.queue, b.expression, b.prefix
      from unnest(patterns, queues, expressions, prefixes) as b (pattern, queue, expression, prefix)
     order by b.pattern, b.queue
        on conflict do nothing;
end $fn$;

-- The table of a queue, or null if there is none. Of a queue that only another client made: the table that it would have.
create function postrider.table_of(queue text) returns text language sql stable as $fn$
    select t.table_name
      from (select coalesce(
                (select q.table_name from postrider.queues q where q.name = queue),
                (select m.table_name from (select translate(queue, '.-', '__') as table_name) m
                  where not exists (select from postrider.queues q where q.table_name = m.table_name))) as table_name) t
     where to_regclass('pgmq.' || quote_ident('q_' || t.table_name)) is not null
$fn$;
