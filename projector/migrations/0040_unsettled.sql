-- The few transfers that have not simply completed. What a debit's transfer has come to is looked up here first: the index is small, and a
-- transfer that completed in the batch in which it began was never in it.
set local statement_timeout = 0;

create index transfers_unsettled on transfers (transfer_id) where status <> 'completed' or reversed_at is not null;
