with seen as (
    select
        person_id,
        cast({{ tuple.local_time('min(seen_at)') }} as date) as first_call_on,
        cast({{ tuple.local_time('max(seen_at)') }} as date) as last_call_on
    from {{ ref('int_tuple__stays') }}
    where person_id is not null
    group by person_id
),

listed as (
    select person_id, name, team, start_date, true as is_listed
    from {{ ref('stg_tuple__people') }}
),

list as (
    select count(*) > 0 as is_known from listed
)

select
    coalesce(listed.person_id, seen.person_id) as person_id,
    listed.name,
    coalesce(
        listed.team,
        case when listed.is_listed then '(no team)' when list.is_known then '(not listed)' else 'everyone' end
    ) as team,
    listed.start_date,
    seen.first_call_on,
    seen.last_call_on,
    coalesce(listed.is_listed, false) as is_listed,
    case
        when list.is_known then coalesce(listed.is_listed, false)
        else {{ tuple.today() }} - seen.last_call_on <= {{ var('tuple_active_days') }}
    end as is_current
from listed
full join seen on listed.person_id = seen.person_id
cross join list
