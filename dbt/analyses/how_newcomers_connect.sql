-- Number of partners by the end of some of the weeks after a person's first call. People who are not newcomers may have
-- had earlier calls that are not loaded; they are included for comparison.
select
    case when is_newcomer then 'newcomers' else 'everybody else' end as who,
    week_number,
    count(*) as people,
    percentile_cont(0.5) within group (order by partners_reached) as median_partners,
    min(partners_reached) as fewest,
    max(partners_reached) as most
from {{ ref('tuple__onboarding') }}
where week_number in (0, 1, 2, 4, 8, 12)
group by is_newcomer, week_number
order by is_newcomer desc, week_number
