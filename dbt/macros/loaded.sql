{#- How loaders differ: the types of instants, and columns of their own. -#}

{#- A source's column as a UTC timestamp without a time zone, whether the loader made it a timestamp or a string. -#}
{% macro utc(relation, column) -%}
    {%- set types = {} -%}
    {%- if execute -%}
        {%- for found in adapter.get_columns_in_relation(relation) -%}
            {%- do types.update({found.name | lower: found.data_type | lower}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if types.get(column) in ('timestamp', 'timestamp without time zone') -%}
        {{ column }}
    {%- else -%}
        timezone('UTC', cast({{ column }} as timestamp with time zone))
    {%- endif -%}
{%- endmacro %}

{#- Orders copies of a row, the one loaded last first, by those columns for this that the loader has written. -#}
{% macro newest_first(relation, otherwise) -%}
    {%- set known = [
        '_sdc_sequence', '_sdc_batched_at', '_sdc_extracted_at', '_airbyte_extracted_at', '_dlt_load_id'
    ] -%}
    {%- if execute -%}
        {%- for found in adapter.get_columns_in_relation(relation) if found.name | lower in known -%}
            {{ found.name }} desc nulls last,{{ ' ' }}
        {%- endfor -%}
    {%- endif -%}
    {{ otherwise }} desc nulls last
{%- endmacro %}
