-- The read models, and how far each projection has come. Never change an applied migration: add one.
-- Amounts are minor units of the account's currency (bigint). Ids are 63-bit snowflakes. A month is its first day, in the bank's time zone.

-- A projection's place in the log, written in the same transaction as its rows.
create table checkpoints (
    projection text primary key,
    version    integer not null,
    -- position of the last event handled; 0 before the first
    position   bigint not null,
    -- time of that event, for lag in seconds
    recorded_at timestamptz,
    updated_at timestamptz not null default now()
);

create table users (
    user_id       bigint primary key,
    -- encrypted with the user's key; null once erased
    details       text,
    registered_at timestamptz not null,
    erased_at     timestamptz
);

create table accounts (
    account_id      bigint primary key,
    -- null for settlement and imported accounts
    user_id         bigint,
    reference       text unique,
    kind            text not null check (kind in ('checking', 'savings', 'settlement')),
    currency        text not null,
    status          text not null check (status in ('open', 'frozen', 'closed')),
    balance         bigint not null,
    -- debits whose transfer has not ended
    in_transit      bigint not null,
    overdraft_limit bigint not null,
    -- of the last event of the account's stream
    revision        bigint not null,
    opened_at       timestamptz not null
) with (fillfactor = 70); -- room for updates in place

create index accounts_user on accounts (user_id, account_id) where user_id is not null;

create table transfers (
    transfer_id    bigint primary key,
    from_account   bigint not null,
    to_account     bigint not null,
    amount         bigint not null,
    currency       text not null,
    status         text not null check (status in ('pending', 'completed', 'failed', 'rejected')),
    -- a rejection's code
    failure_reason text,
    description    text,
    reference      text,
    booked_at      timestamptz not null,
    -- the timeline: when the log recorded each step
    requested_at   timestamptz not null,
    debited_at     timestamptz,
    credited_at    timestamptz,
    reversed_at    timestamptz,
    ended_at       timestamptz
) with (fillfactor = 80);

create table transactions (
    account_id    bigint not null,
    month         date not null,
    -- of the event in the account's stream: the order of booking, and half of the paging cursor
    revision      bigint not null,
    transfer_id   bigint not null,
    kind          text not null check (kind in ('debit', 'credit', 'reversal')),
    amount        bigint not null,
    balance_after bigint not null,
    currency      text not null,
    counterparty  bigint not null,
    description   text,
    reference     text,
    booked_at     timestamptz not null,
    recorded_at   timestamptz not null,
    primary key (account_id, month, revision)
);

create table monthly_totals (
    account_id bigint not null,
    month      date not null,
    debits     bigint not null,
    credits    bigint not null,
    count      bigint not null,
    primary key (account_id, month)
) with (fillfactor = 70);

-- One row per currency; the three sums of a row add up to zero at every position.
create table trial_balance (
    currency   text primary key,
    customers  bigint not null,
    settlement bigint not null,
    in_transit bigint not null,
    -- adding up as numeric: three sums of 64 bits may leave 64 bits on the way
    constraint books_balance check (customers::numeric + settlement + in_transit = 0)
);
