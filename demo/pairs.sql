-- The ten pairs with the most hours together: the time for which both were in the same call.
select
    one.user_email as person,
    other.user_email as pairs_with,
    count(distinct one.call_id) as calls,
    round(sum(date_diff('second', greatest(one.joined_at, other.joined_at), least(one.left_at, other.left_at))) / 3600, 1)
        as hours
from tuple.call_participations as one
inner join tuple.call_participations as other
    on one.call_id = other.call_id and one.user_email < other.user_email
where least(one.left_at, other.left_at) > greatest(one.joined_at, other.joined_at)
group by one.user_email, other.user_email
order by hours desc, person, pairs_with
limit 10
