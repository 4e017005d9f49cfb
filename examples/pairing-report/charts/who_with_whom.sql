-- Hours per pair of people in the same call. Pairs that were never in the same call have no row.
with present as (
    select microseconds, unnest(people) as person, people from slices
),
pairs as (
    select person, unnest(people) as other, microseconds from present
)
select person, other, sum(microseconds) / 3.6e9 as hours
from pairs
where person < other
group by person, other
order by person, other
