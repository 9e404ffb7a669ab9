-- `transactions` in partitions, one for each month and named for it: transactions_2026_03. There is no default partition: so the months have an
-- order, in which pages are read from no more of them than they need, and each can be taken out and put back without a look at other rows.

-- Rows that are there are looked through twice, for their newest month and when they become a partition, and nobody reads them meanwhile. In the
-- order in which they lie: the projector's session would take an index. What reads them before has ended within the time for the lock.
set local statement_timeout = 0;
set local enable_seqscan = on;
set local lock_timeout = '30s';

-- What was begun is not divided.
drop schema if exists rebuild cascade;

-- Rows that are there stay where they are, as one partition of all months up to this one, transactions_before_2026_12.
do $$
declare
    path text := current_setting('search_path');
    place text;
    newest date;
    ended text;
begin
    foreach place in array array['public', 'previous'] loop
        continue when to_regclass(place || '.transactions') is null;
        perform set_config('search_path', place, true);
        alter table transactions rename to transactions_old;
        alter index transactions_pkey rename to transactions_old_pkey;
        alter index if exists transactions_recorded rename to transactions_old_recorded;
        create table transactions (like transactions_old including all excluding indexes) partition by range (month);
        alter table transactions add primary key (account_id, month, revision);
        -- As in 0020.
        create index transactions_recorded on transactions (account_id, recorded_at, revision);
        select max(month) into newest from transactions_old;
        if newest is null then
            drop table transactions_old;
        else
            ended := to_char(greatest(newest, now()) + interval '1 month', 'YYYY_MM');
            execute format('alter table transactions_old rename to %I', 'transactions_before_' || ended);
            execute format('alter table transactions attach partition %I for values from (minvalue) to (%L)',
                           'transactions_before_' || ended, to_date(ended, 'YYYY_MM'));
        end if;
    end loop;
    perform set_config('search_path', path, true);
end $$;

-- Makes a month's partition unless it is there. `transactions` is the one that the search path leads to, so a rebuild uses it as well. Nobody
-- who reads or writes waits for it: only another who makes one, until that is committed.
create function transactions_month(wanted date) returns void language plpgsql as $$
declare
    made text := 'transactions_' || to_char(wanted, 'YYYY_MM');
    place text;
begin
    -- Once more when others are kept out.
    for look in 1..2 loop
        if to_regclass(made) is not null or exists (
            select from pg_inherits join pg_class on pg_class.oid = inhrelid
            where inhparent = to_regclass('transactions') and relname like 'transactions\_before\_%'
              and relname > 'transactions_before_' || to_char(wanted, 'YYYY_MM')) then
            return;
        end if;
        lock table only transactions in share update exclusive mode;
    end loop;
    select relnamespace::regnamespace::text into place from pg_class where oid = to_regclass('transactions');
    execute format('create table %s.%I (like transactions including all excluding indexes)', place, made);
    execute format('alter table transactions attach partition %s.%I for values from (%L) to (%L)',
                   place, made, wanted, (wanted + interval '1 month')::date);
end $$;

-- An unfinished build can be deleted, and rows can be divided.
alter table rebuilds
    drop constraint rebuilds_kind_check,
    add constraint rebuilds_kind_check check (kind in ('rebuild', 'divide', 'switch_back', 'drop_previous', 'drop_unfinished'));

-- A rebuild of the undivided rows makes the months; they are read and written all the while. It has a kind of its own, which a program from
-- before months leaves alone: it could not make them. If another one is open, an operator asks for it.
insert into rebuilds (kind, projections, requested_by)
select 'divide', '{transactions}', 'upgrade'
where exists (select from pg_inherits where inhparent = 'transactions'::regclass)
on conflict do nothing;
