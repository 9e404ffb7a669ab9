-- `transactions` in partitions, one for each month. There is no default partition: the projector makes a month's partition, in the same
-- transaction, before the first row that needs it.

-- Rows that are there already stay where they are, as the one partition of everything before the first month that has none yet.
set local statement_timeout = 0;

alter table transactions rename to transactions_old;
alter index transactions_pkey rename to transactions_old_pkey;
alter index transactions_recorded rename to transactions_old_recorded;

create table transactions (
    account_id    bigint not null,
    month         date not null,
    -- of the event in the account's stream: the order of booking, and half of the paging cursor
    revision      bigint not null,
    transfer_id   bigint not null,
    kind          text not null constraint transactions_kind_check check (kind in ('debit', 'credit', 'reversal')),
    amount        bigint not null,
    balance_after bigint not null,
    currency      text not null,
    counterparty  bigint not null,
    description   text,
    reference     text,
    booked_at     timestamptz not null,
    recorded_at   timestamptz not null,
    primary key (account_id, month, revision)
) partition by range (month);

-- As in 0020.
create index transactions_recorded on transactions (account_id, recorded_at, revision);

do $$
declare
    newest date := (select max(month) from transactions_old);
begin
    if newest is null then
        drop table transactions_old;
    else
        execute format('alter table transactions attach partition transactions_old for values from (minvalue) to (%L)',
                       newest + interval '1 month');
    end if;
end $$;

-- Makes the partition of a month unless it is there. Attaching does not wait for readers, nor they for it. Where `transactions` is a table without
-- partitions there is nothing to do.
create or replace function transactions_month(wanted date) returns void language plpgsql as $$
declare
    partition_name text := 'transactions_' || to_char(wanted, 'YYYY_MM');
begin
    if to_regclass(partition_name) is not null then
        return;
    end if;
    -- One after the other; who waited finds it made.
    perform pg_advisory_xact_lock(hashtext('transactions_month'));
    if to_regclass(partition_name) is not null
        or not exists (select from pg_class where oid = to_regclass('transactions') and relkind = 'p')
        or wanted < (select substring(pg_get_expr(relpartbound, oid) from 'TO \(''([^'']+)''\)')::date
                     from pg_class where oid = to_regclass('transactions_old')) then
        return;
    end if;
    execute format('create table %I (like transactions including defaults including constraints)', partition_name);
    execute format('alter table transactions attach partition %I for values from (%L) to (%L)',
                   partition_name, wanted, wanted + interval '1 month');
end $$;
