-- Why a partition of a projection does not go on, for every process that is asked. Its projector writes it, and deletes it when it tries again.
create table projection_stops (
    projection text not null,
    partition  smallint not null,
    -- of the event that it cannot take
    position   bigint not null,
    reason     text not null,
    stopped_at timestamptz not null default now(),
    primary key (projection, partition)
);
