with aliases as (
    select email, unnest(string_to_array(cast(aliases as varchar(4000)), ' ')) as alias
    from {{ ref('people') }}
)

select
    {{ tuple.person_id('alias') }} as address_id,
    {{ tuple.person_id('email') }} as person_id
from aliases
where alias <> ''
