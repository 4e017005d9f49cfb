-- The totals at the top of the page, in one row. Days are in the time zone of the report; minutes and hours are fractional.
select
    count(*) as calls,
    (select count(distinct user_email) from call_participations) as people,
    (select sum(microseconds) / 3.6e9 from slices where len(people) >= 2) as paired_hours,
    median(duration_seconds) / 60 as median_minutes,
    timezone(getvariable('time_zone'), min(started_at)::timestamptz)::date as first_day,
    timezone(getvariable('time_zone'), max(started_at)::timestamptz)::date as last_day,
    (
        select count(*) from call_participations
        where user_email is null or joined_at is null or left_at is null
    ) as left_out,
    (
        select coalesce(bool_and(user_email like '%@example.com'), false) from call_participations
        where user_email is not null
    ) as synthetic
from calls
