with people as (
    select
        person_id,
        team,
        first_call_on,
        least({{ var('tuple_onboarding_weeks') }}, ({{ tuple.today() }} - first_call_on) / 7) as last_week_number,
        -- People whose first call is among the oldest loaded calls may have had earlier ones.
        coalesce(start_date, first_call_on) - min(first_call_on) over () >= 28 as is_newcomer
    from {{ ref('int_tuple__people') }}
    where first_call_on is not null
),

weeks as (
    select
        people.*,
        cast({{ tuple.series('0', 'cast(floor(last_week_number) as integer)', '1') }} as integer) as week_number
    from people
),

partners as (
    select person_id, partner_id, cast({{ tuple.local_time('min(began_at)') }} as date) as first_paired_on
    from {{ ref('int_tuple__partners') }}
    group by person_id, partner_id
)

select
    weeks.person_id,
    weeks.week_number,
    weeks.team,
    weeks.is_newcomer,
    weeks.first_call_on + weeks.week_number * 7 as begins_on,
    count(partners.partner_id) filter (where partners.first_paired_on >= weeks.first_call_on + weeks.week_number * 7)
        as new_partners,
    count(partners.partner_id) as partners_reached
from weeks
left join partners
    on
        weeks.person_id = partners.person_id
        and partners.first_paired_on < weeks.first_call_on + weeks.week_number * 7 + 7
group by weeks.person_id, weeks.week_number, weeks.team, weeks.is_newcomer, weeks.first_call_on
