select
    one.call_id,
    slices.week,
    one.person_id,
    other.person_id as partner_id,
    sum(slices.milliseconds) as milliseconds,
    min(slices.began_at) as began_at,
    max(slices.ended_at) as ended_at
from {{ ref('int_tuple__presence') }} as one
inner join {{ ref('int_tuple__presence') }} as other
    on one.call_id = other.call_id and one.began_at = other.began_at and one.person_id < other.person_id
inner join {{ ref('int_tuple__slices') }} as slices
    on one.call_id = slices.call_id and one.began_at = slices.began_at
group by one.call_id, slices.week, one.person_id, other.person_id
