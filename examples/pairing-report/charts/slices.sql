-- The source of every chart of hours: each call, split into slices during which the same people are present.
-- A person who is present twice in a slice, with two devices, counts once. Calls are also split at every quarter of an
-- hour, so that each slice lies within one hour, day and week of every time zone. `local_hour` is the start of that hour.
-- Participations without a person, a start or an end are ignored. Microseconds are integers, so sums are not rounded.
set TimeZone = 'UTC';

-- Targets that append can load a row more than once. Addresses that differ only in case belong to the same person.
create or replace temp table calls as
select distinct on (id) id, started_at, duration_seconds from calls order by id, ended_at desc;
create or replace temp table call_participations as
select distinct on (id) id, call_id, lower(trim(user_email)) as user_email, joined_at, left_at
from call_participations
order by id;

create or replace temp table slices as
with stays as (
    select call_id, user_email as person, joined_at::timestamptz as joined, left_at::timestamptz as gone
    from call_participations
    where user_email is not null and left_at > joined_at
),
quarters as (
    select
        call_id,
        unnest(
            generate_series(
                time_bucket(interval 15 minutes, min(joined)) + interval 15 minutes, max(gone), interval 15 minutes
            )
        ) as instant
    from stays
    group by call_id
),
cuts as (
    select call_id, joined as instant from stays
    union
    select call_id, gone from stays
    union
    select call_id, instant from quarters
),
pieces as (
    select call_id, instant as began, lead(instant) over (partition by call_id order by instant) as ended from cuts
)
select
    pieces.call_id,
    date_trunc('hour', timezone(getvariable('time_zone'), pieces.began)) as local_hour,
    epoch_us(pieces.ended) - epoch_us(pieces.began) as microseconds,
    list(distinct stays.person order by stays.person) as people
from pieces
inner join stays
    on pieces.call_id = stays.call_id and stays.joined <= pieces.began and stays.gone >= pieces.ended
group by pieces.call_id, pieces.began, pieces.ended;
