with current_people as (
    select person_id, team from {{ ref('int_tuple__people') }} where is_current
),

pairs as (
    select
        person_id,
        partner_id,
        count(distinct call_id) as calls,
        sum(milliseconds) as milliseconds,
        cast({{ tuple.local_time('min(began_at)') }} as date) as first_paired_on,
        cast({{ tuple.local_time('max(ended_at)') }} as date) as last_paired_on
    from {{ ref('int_tuple__pair_calls') }}
    group by person_id, partner_id
)

select
    one.team,
    one.person_id,
    other.person_id as partner_id,
    coalesce(pairs.calls, 0) as calls,
    {{ tuple.hours('coalesce(pairs.milliseconds, 0)') }} as hours,
    pairs.first_paired_on,
    pairs.last_paired_on,
    {{ tuple.today() }} - pairs.last_paired_on as days_since_paired,
    pairs.last_paired_on is null as has_never_paired,
    coalesce({{ tuple.today() }} - pairs.last_paired_on >= {{ var('tuple_due_after_days') }}, true) as is_due
from current_people as one
inner join current_people as other on one.team = other.team and one.person_id < other.person_id
left join pairs on one.person_id = pairs.person_id and other.person_id = pairs.partner_id
