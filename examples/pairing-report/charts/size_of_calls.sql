-- Number of calls by number of participants; a person who left and came back counts once.
select people, count(*) as calls
from (
    select count(distinct user_email) as people
    from call_participations
    where user_email is not null
    group by call_id
)
group by people
order by people
