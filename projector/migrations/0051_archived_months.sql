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

-- Takes an archived month's rows out of `transactions` of a schema: all that are in the archive or, if they are not there, none. With none left that
-- were recorded later, its partition goes. How many that were. Nobody can write to the month meanwhile.
create function drop_archived_month(place text, wanted date) returns bigint language plpgsql as $$
declare
    made text := 'transactions_' || to_char(wanted, 'YYYY_MM');
    is_alone boolean := to_regclass(format('%I.%I', place, made)) is not null;
    noted public.archived_months;
    found bigint;
    later bigint;
begin
    select * into strict noted from public.archived_months where month = wanted;
    execute format('lock table %I.%I in share mode', place, case when is_alone then made else 'transactions' end);
    execute format('select count(*) filter (where recorded_at <= $2), count(*) filter (where recorded_at > $2)
                    from %I.transactions where month = $1', place)
        into found, later using wanted, noted.recorded_until;
    if found not in (0, noted.rows) then
        raise exception '% has % entries of %, and the archive has %', place, found, to_char(wanted, 'YYYY-MM'), noted.rows;
    end if;
    if is_alone and later = 0 then
        execute format('drop table %I.%I', place, made);
    elsif found > 0 then
        execute format('delete from %I.transactions where month = $1 and recorded_at <= $2', place)
            using wanted, noted.recorded_until;
    end if;
    return found;
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
