-- Publishing: one message in half of the time that it took before, when planning the statement for many cost more than all the rest.
-- Runs once, inside the migration's transaction. (The first version of postrider.publish was in the first script; here it is made or replaced.)

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

-- Publishes a batch in its order and returns the number of copies stored per item; 0 is unroutable.
-- One insert for each target table, however many messages go there.
create or replace function postrider.publish(topics boolean[], names text[], bodies jsonb[], headers jsonb[], delays bigint[])
returns integer[] language plpgsql as $fn$
declare
    copies integer[] := array_fill(0, array[cardinality(names)]);
    target record;
begin
    if cardinality(names) = 1 then
        for target in select t.table_name from postrider.targets(topics[1], names[1]) as t (table_name) where t.table_name is not null order by 1 loop
            execute format(
                'insert into pgmq.%I (vt, message, headers) values (clock_timestamp() + $3 * interval ''1 microsecond'', $1, $2)',
                'q_' || target.table_name)
                using bodies[1], headers[1], delays[1];
            copies[1] := copies[1] + 1;
            perform postrider.wake(target.table_name);
        end loop;
        return copies;
    end if;

    for target in
        with destinations as (
            select i.topic, i.name, array_agg(i.place) as places
              from unnest(topics, names) with ordinality as i (topic, name, place)
             group by i.topic, i.name
        )
        select t.table_name, array_agg(p.place order by p.place) as places
          from destinations d, postrider.targets(d.topic, d.name) as t (table_name), unnest(d.places) as p (place)
         where t.table_name is not null
         group by t.table_name
         order by t.table_name
    loop
        -- Each row gets a time of its own, so that the order of handing out is the order of the batch.
        execute format(
            'insert into pgmq.%I (vt, message, headers)
             select clock_timestamp() + i.delay * interval ''1 microsecond'', i.body, i.headers
               from unnest($1, $2, $3) with ordinality as i (body, headers, delay, place)
              where i.place = any ($4)
              order by i.place', 'q_' || target.table_name)
            using bodies, headers, delays, target.places;

        for i in 1 .. cardinality(target.places) loop
            copies[target.places[i]] := copies[target.places[i]] + 1;
        end loop;
        perform postrider.wake(target.table_name);
    end loop;
    return copies;
end $fn$;

-- Receivers that wait hold this lock shared, and take it before they look a last time. So either they see the new rows, or they are seen here.
-- Held to the commit. (Another publisher that holds it costs a needless notification.)
create function postrider.wake(table_name text) returns void language plpgsql as $fn$
begin
    if not pg_try_advisory_xact_lock(1886352243, hashtext(table_name)) then
        perform pg_notify('postrider', table_name);
    end if;
end $fn$;
