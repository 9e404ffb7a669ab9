-- A bank's history for `BENCH_PARTS=pages`, in the tables of the read models: {blocks} times 1,000 accounts, each with an entry in each of
-- 60 rounds of 12 months. Neighbours pay each other, an amount there and the same back, so that balances agree with entries, and the books with
-- both. Rows lie as time brings them: those of one account are far apart.

select transactions_month((date '2025-11-01' + make_interval(months => number))::date) from generate_series(0, 11) number;

create temporary view legs as
select (250000000000000000 + (block * 1000 + 2 * pair + round % 2) * 4096)::bigint as payer,
       (250000000000000000 + (block * 1000 + 2 * ((pair + round * 37) % 500) + 1 - round % 2) * 4096)::bigint as payee,
       month, number * 60 + round + 1 as revision, round % 2 as way_back,
       100 + 7 * ((number * 60 + round) / 2) % 9000 as amount,
       month at time zone 'utc' + make_interval(hours => 11 * round, secs => (block * 500 + pair) * 0.004) as at,
       -- milliseconds since 2025, as in every snowflake
       ((extract(epoch from month)::bigint - 1735689600) * 1000 + round::bigint * 39600000 + (block * 500 + pair) * 4) << 22 as transfer_id,
       'Invoice ' || number * 60 + round + 1 || ', thank you' as description
from generate_series(0, 11) number,
     lateral (select (date '2025-11-01' + make_interval(months => number))::date as month) months,
     generate_series(0, {blocks} - 1) block, generate_series(0, 59) round, generate_series(0, 499) pair
order by number, block, round, pair;

insert into transfers (transfer_id, from_account, to_account, amount, currency, status, description, booked_at, requested_at, debited_at,
                       credited_at, ended_at)
select transfer_id, payer, payee, amount, 'EUR', 'completed', description, at, at, at, at, at
from legs;

insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description,
                          booked_at, recorded_at)
select account_id, month, revision, transfer_id, kind, amount, 1000000 + change * (1 - way_back), 'EUR', counterparty, description, at, at
from legs, lateral (values (payer, payee, 'debit', -amount), (payee, payer, 'credit', amount)) entry (account_id, counterparty, kind, change);

insert into monthly_totals (account_id, month, debits, credits, count)
select account_id, month, coalesce(sum(amount) filter (where kind = 'debit'), 0), coalesce(sum(amount) filter (where kind <> 'debit'), 0), count(*)
from transactions group by account_id, month;

insert into accounts (account_id, user_id, reference, kind, currency, status, balance, in_transit, overdraft_limit, revision, opened_at)
select 250000000000000000 + number * 4096, 350000000000000000 + number * 4096, 'page-' || number, 'checking', 'EUR', 'open', 1000000, 0, 0, 720,
       timestamptz '2025-10-31T00:00Z'
from generate_series(0, {blocks} * 1000 - 1) number;

insert into trial_balance (currency, customers, settlement, in_transit) values ('EUR', {blocks}::bigint * 1000000000, {blocks}::bigint * -1000000000, 0);

-- The log is empty; what is known of it is as if all of this had been in it. The projector, which is at its end, does not look here again.
update checkpoints set recorded_at = timestamptz '2026-11-01T00:00Z';
