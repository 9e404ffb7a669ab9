-- What is asked of whoever rebuilds projections, and how far it is. One at a time; ended ones stay.
create table rebuilds (
    rebuild_id         bigint generated always as identity primary key,
    kind               text not null check (kind in ('rebuild', 'switch_back', 'drop_previous')),
    projections        text[] not null,
    -- of the projections, in their order; null for those of whoever takes it
    versions           integer[],
    -- compare, and leave the live tables in their place
    no_switch          boolean not null default false,
    -- switch although the rows differ
    accept_differences boolean not null default false,
    requested_by       text not null,
    requested_at       timestamptz not null default now(),
    state              text not null default 'requested' check (state in ('requested', 'running', 'done', 'differs', 'failed', 'stopped')),
    stop_wanted        boolean not null default false,
    progress           jsonb,
    -- what the comparison found
    report             jsonb,
    reason             text,
    -- about once a second while somebody works at it
    updated_at         timestamptz not null default now()
);

create unique index rebuilds_open on rebuilds ((true)) where state in ('requested', 'running');
