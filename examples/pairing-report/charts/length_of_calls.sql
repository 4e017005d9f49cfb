-- Number of calls by length, in steps of 15 minutes; the last step includes all calls of two hours or longer.
with steps as (
    select unnest(generate_series(0, 120, 15)) as minutes
)
select steps.minutes, count(calls.id) as calls
from steps
left join calls on steps.minutes = least(calls.duration_seconds // 900 * 15, 120)
group by steps.minutes
order by steps.minutes
