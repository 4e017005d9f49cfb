-- Pairs of a team that have not paired for a while, or ever, sorted by the time since they last paired.
select
    pairs.team,
    coalesce(one.name, one.person_id) as person,
    coalesce(other.name, other.person_id) as pair_with,
    pairs.last_paired_on,
    pairs.days_since_paired
from {{ ref('tuple__team_pairs') }} as pairs
inner join {{ ref('tuple__people') }} as one on pairs.person_id = one.person_id
inner join {{ ref('tuple__people') }} as other on pairs.partner_id = other.person_id
where pairs.is_due
order by pairs.team, pairs.last_paired_on nulls first, person, pair_with
