create table webhooks (
    webhook_id      bigint primary key,
    -- whose accounts it hears of; null for the bank's
    user_id         bigint,
    url             text not null,
    -- all when empty
    types           text[] not null,
    -- all of the owner when empty
    accounts        bigint[] not null,
    threshold       bigint,
    threshold_currency text,
    status          text not null check (status in ('enabled', 'disabled', 'deleted')),
    disabled_reason text,
    registered_at   timestamptz not null,
    -- of the last event of the webhook's stream
    changed_at      timestamptz not null
);

create index webhooks_user on webhooks (user_id, webhook_id) where user_id is not null;

-- The delivery log. Not made from the log of events: whoever posts notes every attempt here, as well as can be, and keeps the newest of each
-- webhook.
create table webhook_deliveries (
    delivery_id bigint generated always as identity,
    webhook_id  bigint not null,
    message_id  text not null,
    type        text not null,
    account_id  bigint not null,
    -- of the event in the log
    position    bigint not null,
    -- 1 for the first
    attempt     integer not null,
    at          timestamptz not null,
    millis      integer not null,
    -- HTTP status; null when there was no answer
    status      smallint,
    error       text,
    delivered   boolean not null,
    primary key (webhook_id, delivery_id)
);
