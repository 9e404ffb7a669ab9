-- Which of the read models' databases this is, beginning with 1, and how many there are. One row at most; made when it is filled first.
create table placement (
    number smallint not null check (number >= 1),
    of     smallint not null check (of >= number)
);
create unique index placement_once on placement ((true));

-- A database that was filled so far has everything.
insert into placement (number, of) select 1, 1 where exists (select from checkpoints);
