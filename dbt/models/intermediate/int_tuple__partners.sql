-- Each pair in both directions.
with directions as (
    select person_id, partner_id, call_id, week, began_at from {{ ref('int_tuple__pair_calls') }}
    union all
    select partner_id, person_id, call_id, week, began_at from {{ ref('int_tuple__pair_calls') }}
)

select
    person_id,
    partner_id,
    week,
    min(began_at) as began_at,
    min(week) over (partition by person_id, partner_id) = week as is_first_week
from directions
group by person_id, partner_id, week
