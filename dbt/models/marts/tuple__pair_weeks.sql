select
    week,
    person_id,
    partner_id,
    count(*) as calls,
    {{ tuple.hours('sum(milliseconds)') }} as hours
from {{ ref('int_tuple__pair_calls') }}
group by week, person_id, partner_id
