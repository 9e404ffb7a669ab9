-- Statements as they were issued, one row for each issue. Amounts are minor units of the currency.
create table statements (
    account_id bigint not null,
    -- its first day, in the bank's time zone
    month      date not null,
    -- 1, and one more for each correction
    issue      integer not null,
    -- of the event in the stream of the account's statements
    revision   bigint not null,
    currency   text not null,
    opening    bigint not null,
    closing    bigint not null,
    debits     bigint not null,
    credits    bigint not null,
    -- of entries
    count      bigint not null,
    -- it says what the log said up to here
    position   bigint not null,
    -- [{"format": "pdf", "sha256": "…", "bytes": 1234}, …]
    files      jsonb not null,
    issued_at  timestamptz not null,
    primary key (account_id, month, issue)
);
