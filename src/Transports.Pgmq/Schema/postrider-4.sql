-- Priorities: queues whose messages have levels, 0 to 9, and 9 goes first. They stay in one table; an index leads to the oldest of each level.
-- Runs once, inside the migration's transaction.

alter table postrider.queues add column priorities boolean not null default false;

-- The level of a message by its headers, whatever another client put there: no whole number is the default level, one out of range the nearest.
create function postrider.level(headers jsonb) returns integer language sql immutable parallel safe as $fn$
    select case
        when headers ->> 'x-postrider-priority' is null then 4
        when headers ->> 'x-postrider-priority' ~ '^-?[0-9]{1,9}$' then least(9, greatest(0, (headers ->> 'x-postrider-priority')::integer))
        else 4
    end
$fn$;

-- Gives queues that were declared levels, which they keep. Publishing to one waits while its index is made.
create function postrider.give_priorities(names text[]) returns void language plpgsql as $fn$
declare
    given record;
begin
    perform pg_advisory_xact_lock(1886352242, 2);
    for given in select q.table_name from postrider.queues q where q.name = any (names) order by q.table_name loop
        -- Asked before, as "if not exists" would wait for all who publish.
        if to_regclass('pgmq.' || quote_ident('q_' || given.table_name || '_level_idx')) is null then
            execute format('create index %I on pgmq.%I (postrider.level(headers), vt)', 'q_' || given.table_name || '_level_idx', 'q_' || given.table_name);
        end if;
    end loop;
    update postrider.queues q set priorities = true where q.name = any (names) and not q.priorities;
end $fn$;
