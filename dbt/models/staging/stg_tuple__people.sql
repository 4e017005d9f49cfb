-- The types are explicit, because dbt cannot infer those of an empty CSV column.
select
    {{ tuple.person_id('email') }} as person_id,
    cast({{ 'null' if var('tuple_anonymize') else 'name' }} as varchar(320)) as name,
    cast(team as varchar(320)) as team,
    cast(start_date as date) as start_date
from {{ ref('people') }}
