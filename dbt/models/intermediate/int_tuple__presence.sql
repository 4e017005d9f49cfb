-- Each call is split wherever a person joins or leaves, and at every quarter of an hour, so that each slice lies within
-- one hour in every time zone. A person who is present twice in a slice, with two devices, has one row.
with stays as (
    select participation_id, call_id, person_id, joined_at, left_at
    from {{ ref('int_tuple__stays') }}
    where person_id is not null and left_at > joined_at
),

quarters as (
    select
        call_id,
        {{ tuple.series("date_trunc('hour', min(joined_at))", 'max(left_at)', "interval '15 minutes'") }} as cut_at
    from stays
    group by call_id
),

cuts as (
    select call_id, joined_at as cut_at from stays
    union
    select call_id, left_at from stays
    union
    select call_id, cut_at from quarters
),

slices as (
    select
        call_id,
        cut_at as began_at,
        lead(cut_at) over (partition by call_id order by cut_at) as ended_at
    from cuts
)

select
    slices.call_id,
    slices.began_at,
    slices.ended_at,
    stays.person_id,
    min(stays.participation_id) as participation_id
from slices
inner join stays
    on
        slices.call_id = stays.call_id
        and stays.joined_at <= slices.began_at
        and stays.left_at >= slices.ended_at
group by slices.call_id, slices.began_at, slices.ended_at, stays.person_id
