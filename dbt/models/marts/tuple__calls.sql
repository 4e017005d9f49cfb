with participants as (
    select
        call_id,
        count(*) as participations,
        count(*) filter (where person_id is null) as participations_without_person,
        count(distinct person_id) as people,
        string_agg(distinct person_id, ' ' order by person_id) as participants
    from {{ ref('int_tuple__stays') }}
    group by call_id
),

overlap as (
    select
        call_id,
        coalesce(sum(milliseconds) filter (where people > 1), 0) as overlap_milliseconds,
        sum(milliseconds * people) as person_milliseconds
    from {{ ref('int_tuple__slices') }}
    group by call_id
)

select
    calls.call_id,
    calls.started_at,
    calls.ended_at,
    {{ tuple.week_of(tuple.local_time('coalesce(calls.started_at, calls.ended_at)')) }} as week,
    calls.duration_seconds,
    coalesce(participants.participations, 0) as participations,
    coalesce(participants.people, 0) as people,
    participants.participants,
    coalesce(participants.people = 1 and participants.participations_without_person = 0, false) as is_solo,
    coalesce(overlap.overlap_milliseconds, 0) / 1000.0 as overlap_seconds,
    coalesce(overlap.person_milliseconds, 0) / 1000.0 as person_seconds
from {{ ref('stg_tuple__calls') }} as calls
left join participants on calls.call_id = participants.call_id
left join overlap on calls.call_id = overlap.call_id
