select
    participations.participation_id,
    participations.call_id,
    coalesce(aliases.person_id, participations.address_id) as person_id,
    participations.joined_at,
    participations.left_at,
    coalesce(participations.joined_at, calls.started_at, calls.ended_at) as seen_at
from {{ ref('stg_tuple__call_participations') }} as participations
inner join {{ ref('stg_tuple__calls') }} as calls
    on participations.call_id = calls.call_id
left join {{ ref('stg_tuple__aliases') }} as aliases
    on participations.address_id = aliases.address_id
