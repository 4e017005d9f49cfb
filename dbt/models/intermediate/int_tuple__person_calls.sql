select
    presence.call_id,
    slices.week,
    presence.person_id,
    sum(slices.milliseconds) as present_milliseconds,
    coalesce(sum(slices.milliseconds) filter (where slices.people > 1), 0) as paired_milliseconds,
    coalesce(sum(slices.milliseconds) filter (where slices.people > 1 and slices.is_out_of_hours), 0)
        as out_of_hours_milliseconds
from {{ ref('int_tuple__presence') }} as presence
inner join {{ ref('int_tuple__slices') }} as slices
    on presence.call_id = slices.call_id and presence.began_at = slices.began_at
group by presence.call_id, slices.week, presence.person_id
