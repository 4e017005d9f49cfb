-- A person on the list of people is a member from the start date or the first call, whichever is earlier. If only one of
-- them is known, it counts. A person who is not on the list is a member from the first call to the last one.
with bounds as (
    select
        {{ tuple.week_of(tuple.local_time('min(seen_at)')) }} as first_week,
        {{ tuple.week_of(tuple.local_time('max(seen_at)')) }} as last_week
    from {{ ref('int_tuple__stays') }}
),

weeks as (
    select cast({{ tuple.series('first_week', 'last_week', "interval '7 days'") }} as date) as week
    from bounds
),

members as (
    select
        people.person_id,
        people.team,
        coalesce({{ tuple.week_of('least(people.start_date, people.first_call_on)') }}, bounds.first_week) as first_week,
        case when people.is_listed then bounds.last_week else {{ tuple.week_of('people.last_call_on') }} end as last_week
    from {{ ref('int_tuple__people') }} as people
    cross join bounds
)

select members.team, weeks.week, members.person_id
from weeks
inner join members on weeks.week between members.first_week and members.last_week
