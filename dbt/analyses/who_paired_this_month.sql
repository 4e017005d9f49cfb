-- Who paired with whom in the month of the newest call.
with newest as (
    select date_trunc('month', max({{ tuple.local_time('began_at') }})) as month
    from {{ ref('int_tuple__pair_calls') }}
)

select
    cast(newest.month as date) as month,
    coalesce(one.name, one.person_id) as person,
    coalesce(other.name, other.person_id) as paired_with,
    count(distinct pairs.call_id) as calls,
    round(cast(sum(pairs.milliseconds) / 3600000.0 as numeric(12, 4)), 1) as hours
from {{ ref('int_tuple__pair_calls') }} as pairs
inner join newest on date_trunc('month', {{ tuple.local_time('pairs.began_at') }}) = newest.month
inner join {{ ref('tuple__people') }} as one on pairs.person_id = one.person_id
inner join {{ ref('tuple__people') }} as other on pairs.partner_id = other.person_id
group by newest.month, one.name, one.person_id, other.name, other.person_id
order by person, paired_with
