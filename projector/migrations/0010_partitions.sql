-- A checkpoint for each partition of a projection. What was projected so far was projected in all of them.
alter table checkpoints add column partition smallint not null default 0;
alter table checkpoints drop constraint checkpoints_pkey, add primary key (projection, partition);

insert into checkpoints (projection, partition, version, position, recorded_at, updated_at)
select projection, number, version, position, recorded_at, updated_at
from checkpoints, generate_series(1, 3) as number
where projection in ('accounts', 'transfers', 'transactions', 'monthly_totals');
