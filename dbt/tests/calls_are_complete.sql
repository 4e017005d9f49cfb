{{ config(
    enabled=var('tuple_has_call_counts'),
    description='Every call that the API counted is loaded; docs/reconciliation.md explains the rows.'
) }}
with counts as (
    select
        coalesce(since, '1970-01-01') as since,
        until,
        max(calls) as counted
    from {{ source('tuple', 'call_counts') }}
    where calls is not null
    group by 1, 2
),

loaded as (
    select id, max(ended_at) as ended_at
    from {{ source('tuple', 'calls') }}
    group by id
),

-- The calls and the bounds of the counts, sorted by time, to count the calls before each bound.
instants as (
    select ended_at as instant, 1 as calls from loaded
    union all
    select since, 0 from counts
    union all
    select until, 0 from counts
),

running as (
    select instant, calls, sum(calls) over (order by instant, calls rows unbounded preceding) as calls_before
    from instants
),

marks as (
    select distinct instant, calls_before from running where calls = 0
),

shortfalls as (
    select
        counts.since,
        counts.until,
        greatest(counts.counted - (ends.calls_before - begins.calls_before), 0) as missing
    from counts
    inner join marks as begins on counts.since = begins.instant
    inner join marks as ends on counts.until = ends.instant
),

-- The increase of `missing` over its earlier maximum belongs to the period since the previous count.
spans as (
    select
        lag(until, 1, since) over (partition by since order by until) as read_from,
        until as read_until,
        missing - coalesce(
            max(missing) over (partition by since order by until rows between unbounded preceding and 1 preceding), 0
        ) as missing
    from shortfalls
)

select read_from, read_until, missing
from spans
where missing > 0
union all
select (select max(until) from counts), max(ended_at), null
from loaded
having coalesce(max(ended_at) >= (select max(until) from counts), true)
order by read_from
