with partners as (
    select
        person_id,
        week,
        count(*) as partners,
        count(*) filter (where is_first_week) as new_partners
    from {{ ref('int_tuple__partners') }}
    group by person_id, week
),

weeks as (
    select
        person_id,
        week,
        count(*) as calls,
        sum(present_milliseconds) as present_milliseconds,
        sum(paired_milliseconds) as paired_milliseconds
    from {{ ref('int_tuple__person_calls') }}
    group by person_id, week
)

select
    weeks.week,
    weeks.person_id,
    weeks.calls,
    {{ tuple.hours('weeks.present_milliseconds') }} as hours_in_calls,
    {{ tuple.hours('weeks.paired_milliseconds') }} as hours_paired,
    coalesce(partners.partners, 0) as partners,
    coalesce(partners.new_partners, 0) as new_partners
from weeks
left join partners on weeks.person_id = partners.person_id and weeks.week = partners.week
