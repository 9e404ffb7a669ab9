-- The few transfers that have not simply completed. What a debit's transfer has come to is looked up here first: the index is small, and a
-- transfer that completed in the batch in which it began was never in it.
set local statement_timeout = 0;

-- What was live before has it, too, when it is switched back.
do $$
declare
    place text;
begin
    foreach place in array array['public', 'previous'] loop
        continue when to_regclass(place || '.transfers') is null;
        execute format(
            'create index transfers_unsettled on %I.transfers (transfer_id) where status <> ''completed'' or reversed_at is not null', place);
    end loop;
end $$;
