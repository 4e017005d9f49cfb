-- Hours that each two people were in the same call; a pair that never met has no row.
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
