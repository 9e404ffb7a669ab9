-- Months whose entries are in the archive, as Parquet. A row is written when a month's files are there and proved; some seconds later, when everybody
-- who reads knows it, its rows leave `transactions`. What is recorded for such a month afterwards is in `transactions` again.
create table archived_months (
    -- its first day
    month          date primary key,
    -- how many rows of this database are in the archive
    rows           bigint not null,
    -- SHA-256 of all rows of the month, as its manifest has it
    digest         text not null,
    -- when the log recorded the first of them and the last. What is recorded later is not in the archive
    recorded_from  timestamptz not null,
    recorded_until timestamptz not null,
    archived_at    timestamptz not null default now(),
    -- when the rows left; null before
    dropped_at     timestamptz
);

-- Who writes to a month keeps it from being dropped until the end of the transaction, and waits while it is.
create or replace function transactions_month(wanted date) returns void language plpgsql as $$
declare
    made text := 'transactions_' || to_char(wanted, 'YYYY_MM');
    place text;
begin
    -- "mont", and which.
    perform pg_advisory_xact_lock_shared(1836019316, to_char(wanted, 'YYYYMM')::integer);
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

-- Takes an archived month's rows out of `transactions` of a schema: all that are in the archive or, if they are not there, none. With none left that
-- were recorded later, its partition goes. How many that were. Nobody can write to the month meanwhile.
create function drop_archived_month(place text, wanted date) returns bigint language plpgsql as $$
declare
    made text := 'transactions_' || to_char(wanted, 'YYYY_MM');
    is_alone boolean;
    noted public.archived_months;
    archived bigint;
    later bigint;
begin
    perform pg_advisory_xact_lock(1836019316, to_char(wanted, 'YYYYMM')::integer);
    select * into strict noted from public.archived_months where month = wanted;
    is_alone := to_regclass(format('%I.%I', place, made)) is not null;
    execute format('select count(*) filter (where recorded_at <= $2), count(*) filter (where recorded_at > $2)
                    from %I.transactions where month = $1', place)
        into archived, later using wanted, noted.recorded_until;
    if archived not in (0, noted.rows) then
        raise exception '% has % entries of %, and the archive has %', place, archived, to_char(wanted, 'YYYY-MM'), noted.rows;
    end if;
    if is_alone and later = 0 then
        execute format('drop table %I.%I', place, made);
    elsif archived > 0 then
        execute format('delete from %I.transactions where month = $1 and recorded_at <= $2', place)
            using wanted, noted.recorded_until;
    end if;
    return archived;
end $$;

-- A month is in `transactions` again. What was live before lacks it, so nobody may go back to that.
create function forget_archived_month(wanted date) returns void language plpgsql as $$
begin
    delete from public.archived_months where month = wanted;
    drop table if exists previous.transactions;
    if to_regclass('previous.checkpoints') is not null then
        delete from previous.checkpoints where projection = 'transactions';
    end if;
end $$;
