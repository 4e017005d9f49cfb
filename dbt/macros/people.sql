{#- The id of a person: the e-mail address in lower case, or its hash. -#}
{% macro person_id(email) -%}
    {%- set address -%} lower(trim({{ email }})) {%- endset -%}
    {%- if var('tuple_anonymize') -%}
        {%- if execute and not var('tuple_salt') -%}
            {{ exceptions.raise_compiler_error('tuple_anonymize requires a secret: set tuple_salt or TUPLE_SALT.') }}
        {%- endif -%}
        {#- An address that is already hashed does not change. -#}
        case
            when length({{ address }}) = 64 and {{ address }} not like '%@%' then {{ address }}
            else {{ tuple.sha256(dbt.string_literal(dbt.escape_single_quotes(var('tuple_salt'))) ~ ' || ' ~ address) }}
        end
    {%- else -%}
        {{ address }}
    {%- endif -%}
{%- endmacro %}

{#- Removes addresses and names from the loaded list of people. -#}
{% macro hash_people(relation) -%}
    {%- if var('tuple_anonymize') -%}
        update {{ relation }}
        set
            email = {{ tuple.person_id('email') }},
            name = null,
            aliases = (
                select string_agg({{ tuple.person_id('alias') }}, ' ')
                from unnest(string_to_array(aliases, ' ')) as addresses(alias)
                where alias <> ''
            )
    {%- endif -%}
{%- endmacro %}
