-- An account's entries in the order in which the log recorded them: its balance as it was known at an instant is that of the newest entry
-- recorded until then.
create index transactions_recorded on transactions (account_id, recorded_at, revision);
