with counted as (
    select
        presence.participation_id,
        sum(slices.milliseconds) as counted_milliseconds,
        coalesce(sum(slices.milliseconds) filter (where slices.people > 1), 0) as paired_milliseconds
    from {{ ref('int_tuple__presence') }} as presence
    inner join {{ ref('int_tuple__slices') }} as slices
        on presence.call_id = slices.call_id and presence.began_at = slices.began_at
    group by presence.participation_id
)

select
    stays.participation_id,
    stays.call_id,
    stays.person_id,
    stays.joined_at,
    stays.left_at,
    {{ tuple.milliseconds('stays.joined_at', 'stays.left_at') }} / 1000.0 as stay_seconds,
    coalesce(counted.counted_milliseconds, 0) / 1000.0 as counted_seconds,
    coalesce(counted.paired_milliseconds, 0) / 1000.0 as paired_seconds
from {{ ref('int_tuple__stays') }} as stays
left join counted on stays.participation_id = counted.participation_id
