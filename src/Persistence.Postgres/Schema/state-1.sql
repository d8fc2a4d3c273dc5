-- The state store (postrider.state): what processes share. Revisions are fencing tokens and must never come again, so the sequence outlives entries, and has no cache.
create sequence if not exists postrider.state_revision cache 1;

-- Keys are compared byte by byte: what lies below a prefix is one range of the primary key. There is no other index, so that an entry that is put again and again stays on its page.
create table if not exists postrider.state (
    key text collate "C" primary key,
    value bytea not null,
    revision bigint not null,
    expires_at timestamptz)
    with (fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02);
