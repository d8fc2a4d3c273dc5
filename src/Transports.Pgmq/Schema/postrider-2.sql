-- What publishing needs. Runs once, inside the migration's transaction. (Earlier versions of postrider.publish were in this script and the one before.)

-- The tables of the queues that a topic leads to, or that of a queue; null if that does not exist.
create function postrider.targets(is_topic boolean, destination text) returns setof text language sql stable as $fn$
    select q.table_name
      from (select b.queue from postrider.bindings b where b.pattern = destination and b.expression is null
            union
            select b.queue from postrider.bindings b
             where b.expression is not null and starts_with('.' || destination, b.prefix) and '.' || destination ~ b.expression) b
      join postrider.queues q on q.name = b.queue
     where is_topic and to_regclass('pgmq.' || quote_ident('q_' || q.table_name)) is not null
    union all
    select postrider.table_of(destination) where not is_topic
$fn$;

-- Receivers that wait hold this lock shared, and take it before they look a last time. So either they see the new rows, or they are seen here.
-- Held to the commit. (Another publisher that holds it costs a needless notification.)
create function postrider.wake(table_name text) returns void language plpgsql as $fn$
begin
    if not pg_try_advisory_xact_lock(1886352243, hashtext(table_name)) then
        perform pg_notify('postrider', table_name);
    end if;
end $fn$;
