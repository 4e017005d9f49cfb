{%- set calls = source('tuple', 'calls') -%}

with copies as (
    select
        *,
        row_number() over (partition by id order by {{ tuple.newest_first(calls, 'ended_at') }}) as copy
    from {{ calls }}
)

select
    cast(id as bigint) as call_id,
    {{ tuple.utc(calls, 'started_at') }} as started_at,
    {{ tuple.utc(calls, 'ended_at') }} as ended_at,
    cast(duration_seconds as bigint) as duration_seconds
from copies
where copy = 1
