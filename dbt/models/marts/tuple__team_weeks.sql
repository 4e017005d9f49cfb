with members as (
    select team, week, person_id from {{ ref('int_tuple__member_weeks') }}
),

sizes as (
    select team, week, count(*) as members
    from members
    group by team, week
),

hours as (
    select
        members.team,
        members.week,
        count(distinct members.person_id) filter (where person_calls.paired_milliseconds > 0) as members_paired,
        sum(person_calls.paired_milliseconds) as paired_milliseconds,
        sum(person_calls.out_of_hours_milliseconds) as out_of_hours_milliseconds
    from members
    inner join {{ ref('int_tuple__person_calls') }} as person_calls
        on members.week = person_calls.week and members.person_id = person_calls.person_id
    group by members.team, members.week
),

-- A call belongs to the week in which it started, and to each team of which a member took part.
team_calls as (
    select distinct
        members.team,
        members.week,
        calls.call_id,
        calls.duration_seconds
    from {{ ref('tuple__calls') }} as calls
    inner join {{ ref('int_tuple__stays') }} as stays on calls.call_id = stays.call_id
    inner join members on stays.person_id = members.person_id and calls.week = members.week
    where calls.overlap_seconds > 0
),

calls as (
    select
        team,
        week,
        count(*) as calls,
        percentile_cont(0.5) within group (order by duration_seconds) / 60.0 as median_minutes
    from team_calls
    group by team, week
),

pairs as (
    select one.team, one.week, count(*) as pairs
    from {{ ref('tuple__pair_weeks') }} as pair_weeks
    inner join members as one on pair_weeks.person_id = one.person_id and pair_weeks.week = one.week
    inner join members as other
        on pair_weeks.partner_id = other.person_id and pair_weeks.week = other.week and one.team = other.team
    group by one.team, one.week
)

select
    sizes.week,
    sizes.team,
    sizes.members,
    coalesce(hours.members_paired, 0) as members_paired,
    coalesce(hours.members_paired, 0) / cast(sizes.members as double precision) as share_paired,
    coalesce(calls.calls, 0) as calls,
    calls.median_minutes,
    coalesce(pairs.pairs, 0) as pairs,
    coalesce(pairs.pairs, 0) / nullif(cast(sizes.members * (sizes.members - 1) / 2 as double precision), 0) as density,
    {{ tuple.hours('coalesce(hours.paired_milliseconds, 0)') }} as hours_paired,
    hours.out_of_hours_milliseconds / nullif(cast(hours.paired_milliseconds as double precision), 0)
        as out_of_hours_share
from sizes
left join hours on sizes.team = hours.team and sizes.week = hours.week
left join calls on sizes.team = calls.team and sizes.week = calls.week
left join pairs on sizes.team = pairs.team and sizes.week = pairs.week
