-- Sums of amounts, which may leave 64 bits though no amount and no balance does: what moved in a month, what is in transit, what all
-- customers have. Else the projection would stop before the event that makes one too large, for ever. Still whole minor units.

-- Tables are written anew, which takes as long as they are large; nobody reads them meanwhile. What reads them before has ended within this time.
set local statement_timeout = 0;
set local lock_timeout = '30s';

alter table accounts alter column in_transit type numeric;

alter table monthly_totals
    alter column debits type numeric,
    alter column credits type numeric;

alter table trial_balance
    alter column customers type numeric,
    alter column settlement type numeric,
    alter column in_transit type numeric;
