select
    person_id,
    name,
    team,
    start_date,
    first_call_on,
    last_call_on,
    is_listed,
    is_current
from {{ ref('int_tuple__people') }}
