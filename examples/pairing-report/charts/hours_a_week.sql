-- Hours per week, starting on Monday, in which at least two people were in a call; a call with five people counts once.
-- The first and last weeks are marked as cut short, unless the data starts on a Monday and ends on a Friday or later.
with days as (
    select min(local_hour)::date as first_day, max(local_hour)::date as last_day from slices
),
weeks as (
    select
        unnest(
            generate_series(date_trunc('week', first_day), date_trunc('week', last_day), interval 7 days)
        )::date as week
    from days
)
select
    weeks.week,
    coalesce(sum(slices.microseconds) filter (len(slices.people) >= 2), 0) / 3.6e9 as hours,
    weeks.week < any_value(days.first_day)
    or (weeks.week = date_trunc('week', any_value(days.last_day)) and isodow(any_value(days.last_day)) < 5) as cut_short
from weeks
cross join days
left join slices on weeks.week = date_trunc('week', slices.local_hour)::date
group by weeks.week
order by weeks.week
