-- Duplicates: the ids of what was published lately, stored in the transaction of the publish, so that one that is rolled back leaves none.
-- Runs once, inside the migration's transaction.

create table postrider.message_ids (
    id text collate "C" not null,
    destination text collate "C" not null,
    is_topic boolean not null,
    place integer not null,              -- in the batch that stored it: by this its statement knows it again
    expires_at timestamptz not null,     -- from then on a message of this id is a new one
    primary key (id, destination, is_topic)
);
-- All rows are deleted soon: a vacuum that looks after what was only inserted would be in vain.
alter table postrider.message_ids set (autovacuum_vacuum_insert_threshold = -1);

-- What is longer than an index takes is known by its digest.
create function postrider.known_as(id text) returns text language sql immutable parallel safe as $fn$
    select case when length(id) > 200 then encode(sha256(convert_to(id, 'UTF8')), 'hex') else id end
$fn$;

drop function if exists postrider.publish(boolean[], text[], jsonb[], jsonb[], bigint[]);

-- Publishes a batch in its order and returns the number of copies stored per item; 0 is unroutable, -1 a duplicate: its id was published to
-- the same topic, or sent to the same queue, within the window of that publish. Without ids nothing is a duplicate.
-- One message has a plan of its own: planning the statement for many costs more than all the rest.
-- Of many there is one insert for each target table, and one for the ids. Who publishes the same ids at the same time waits for
-- this transaction's end; the ids of a batch are stored in one order everywhere, so that no two batches wait for each other.
create function postrider.publish(
    topics boolean[], names text[], bodies jsonb[], headers jsonb[], delays bigint[],
    ids text[] default null, duplicate_window interval default interval '2 minutes')
returns integer[] language plpgsql as $fn$
declare
    copies integer[] := array_fill(0, array[cardinality(names)]);
    target record;
begin
    if cardinality(names) = 1 then
        for target in select t.table_name from postrider.targets(topics[1], names[1]) as t (table_name) where t.table_name is not null order by 1 loop
            if copies[1] = 0 and ids is not null then
                insert into postrider.message_ids as m (id, destination, is_topic, place, expires_at)
                values (postrider.known_as(ids[1]), names[1], topics[1], 1, clock_timestamp() + duplicate_window)
                    on conflict (id, destination, is_topic) do update set place = excluded.place, expires_at = excluded.expires_at
                 where m.expires_at <= excluded.expires_at - duplicate_window;
                if not found then
                    return array[-1];
                end if;
            end if;
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
            select i.topic, i.name, array_agg(i.place) as places, array_agg(i.id) as ids
              from unnest(topics, names, ids) with ordinality as i (topic, name, id, place)
             group by i.topic, i.name
        ),
        routed as materialized (
            select d.topic, d.name, d.places, d.ids, t.table_name
              from destinations d, postrider.targets(d.topic, d.name) as t (table_name)
             where t.table_name is not null
        ),
        fresh as (
            insert into postrider.message_ids as m (id, destination, is_topic, place, expires_at)
            select distinct on (1, 2, 3) postrider.known_as(p.id) collate "C", d.name collate "C", d.topic, p.place, clock_timestamp() + duplicate_window
              from (select distinct on (r.topic, r.name) r.* from routed r) d, unnest(d.places, d.ids) as p (place, id)
             where publish.ids is not null
             order by 1, 2, 3, 4
                on conflict (id, destination, is_topic) do update set place = excluded.place, expires_at = excluded.expires_at
             where m.expires_at <= excluded.expires_at - duplicate_window
            returning m.place::bigint
        ),
        known as materialized (
            select case when publish.ids is not null then array(select p.place from routed r, unnest(r.places) as p (place) except select f.place from fresh f) else '{}' end as places
        )
        select r.table_name,
               array_agg(p.place order by p.place) filter (where p.place <> all (k.places)) as places,
               k.places as known
          from routed r, unnest(r.places) as p (place), known k
         group by r.table_name, k.places
         order by r.table_name
    loop
        for i in 1 .. cardinality(target.known) loop
            copies[target.known[i]] := -1;
        end loop;
        continue when target.places is null;

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
