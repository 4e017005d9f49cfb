-- The types are stated, as an empty column of a CSV file has any.
select
    {{ tuple.person_id('email') }} as person_id,
    cast({{ 'null' if var('tuple_anonymize') else 'name' }} as varchar(320)) as name,
    cast(team as varchar(320)) as team,
    cast(start_date as date) as start_date
from {{ ref('people') }}
