-- Transfers that were parked, and the steps of a transfer that goes astray.

-- When an account said no, and when the source account did without the money. Null also for transfers that went astray before these
-- columns were there: their rows are not made anew, so such a transfer shows fewer steps, and a pending one may show an earlier one as
-- what it waits for, until the read models are built again.
alter table transfers
    add column debit_refused_at   timestamptz,
    add column credit_refused_at  timestamptz,
    add column reversal_waived_at timestamptz;

-- What is under way, oldest first. Most transfers come to their end within one batch and are never in it.
create index transfers_pending on transfers (requested_at, transfer_id) where status = 'pending';

-- Every transfer that was ever parked, with what was said of it last.
create table dead_letters (
    transfer_id     bigint primary key,
    from_account    bigint not null,
    to_account      bigint not null,
    amount          bigint not null,
    currency        text not null,
    standing        text not null check (standing in ('parked', 'retried', 'resolved')),
    -- how an operator said that it is to end; said once
    resolution      text check (resolution in ('refund', 'complete')),
    -- as when it was parked last: what it waited for, why it could not go on, how often it had been tried since somebody's last word
    step            text not null,
    reason          text not null,
    attempts        bigint not null,
    times_parked    bigint not null,
    first_parked_at timestamptz not null,
    -- the last of each
    parked_at       timestamptz not null,
    retried_at      timestamptz,
    resolved_at     timestamptz
);

create index dead_letters_standing on dead_letters (standing, transfer_id);

-- What happened to them, in order: tries that came to nothing, parkings, and operators' words.
create table dead_letter_history (
    transfer_id bigint not null,
    -- of the event in the stream of dead letters
    revision    bigint not null,
    -- a parking's tries come before it
    place       integer not null,
    kind        text not null check (kind in ('failed', 'parked', 'retried', 'resolved')),
    at          timestamptz not null,
    -- who: role:subject
    actor       text not null,
    reason      text,
    -- what a parked transfer waited for
    step        text,
    resolution  text check (resolution in ('refund', 'complete')),
    primary key (transfer_id, revision, place)
);
