-- At which hours of which weekday (1 is Monday) at least two people are in a call: hours in all, by the local clock.
select isodow(local_hour) as weekday, hour(local_hour) as hour, sum(microseconds) / 3.6e9 as hours
from slices
where len(people) >= 2
group by weekday, hour
order by weekday, hour
