-- Total hours with at least two people in a call, by weekday (1 is Monday) and local hour of the day.
select isodow(local_hour) as weekday, hour(local_hour) as hour, sum(microseconds) / 3.6e9 as hours
from slices
where len(people) >= 2
group by weekday, hour
order by weekday, hour
