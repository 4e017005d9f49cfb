{%- set participations = source('tuple', 'call_participations') -%}

with copies as (
    select
        *,
        row_number() over (partition by id order by {{ tuple.newest_first(participations, 'call_ended_at') }}) as copy
    from {{ participations }}
)

select
    cast(id as bigint) as participation_id,
    cast(call_id as bigint) as call_id,
    {{ tuple.person_id('user_email') }} as address_id,
    {{ tuple.utc(participations, 'joined_at') }} as joined_at,
    {{ tuple.utc(participations, 'left_at') }} as left_at
from copies
where copy = 1
