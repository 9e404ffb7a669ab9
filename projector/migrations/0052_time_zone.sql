-- The time zone by which entries are put into months, as a projector was told last. One row at most.
create table bank_time_zone (
    -- of the IANA database
    name text not null
);
create unique index bank_time_zone_once on bank_time_zone ((true));
