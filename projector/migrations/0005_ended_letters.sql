-- A transfer that was parked and has ended since, without an operator's word, is no longer one that is parked: so those that are, are a range of
-- the index and not looked for among all that have ended. One that is parked after its end is still known by its transfer alone.
alter table dead_letters
    drop constraint dead_letters_standing_check,
    add constraint dead_letters_standing_check check (standing in ('parked', 'ended', 'retried', 'resolved'));

update dead_letters
set standing = 'ended'
from transfers
where transfers.transfer_id = dead_letters.transfer_id
  and dead_letters.standing = 'parked'
  and transfers.ended_at > dead_letters.parked_at;
