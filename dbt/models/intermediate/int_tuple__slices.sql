with slices as (
    select
        call_id,
        began_at,
        ended_at,
        count(*) as people,
        {{ tuple.milliseconds('began_at', 'ended_at') }} as milliseconds,
        {{ tuple.local_time('began_at') }} as began_local
    from {{ ref('int_tuple__presence') }}
    group by call_id, began_at, ended_at
)

select
    call_id,
    began_at,
    ended_at,
    people,
    milliseconds,
    {{ tuple.week_of('began_local') }} as week,
    extract(isodow from began_local) > 5
    or extract(hour from began_local) < {{ var('tuple_workday_begins') }}
    or extract(hour from began_local) >= {{ var('tuple_workday_ends') }} as is_out_of_hours
from slices
