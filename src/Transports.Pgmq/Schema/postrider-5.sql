-- Requests: a queue for the answers to each process that asks. It lives as long as its process shows itself.
-- Runs once, inside the migration's transaction.

create table postrider.reply_queues (
    name text primary key,
    table_name text not null,
    expires_at timestamptz not null
);

-- Makes a queue for answers exist, or lets it live on, and drops those of processes that have not shown themselves for as long as they said. Returns its table's name.
create function postrider.keep_reply_queue(queue text, stay interval) returns text language plpgsql as $fn$
declare
    wanted text := translate(queue, '.-', '__');
    expired text;
begin
    -- As those who declare queues: one at a time.
    perform pg_advisory_xact_lock(1886352242, 2);
    for expired in delete from postrider.reply_queues r where r.expires_at <= now() and r.name <> queue returning r.table_name loop
        perform pgmq.drop_queue(expired);
    end loop;
    insert into postrider.reply_queues as r (name, table_name, expires_at) values (queue, wanted, now() + stay)
        on conflict (name) do update set expires_at = excluded.expires_at;
    if to_regclass('pgmq.' || quote_ident('q_' || wanted)) is null then
        perform pgmq.create(wanted);
    end if;
    return wanted;
end $fn$;
