{#- Differences between loaders: the types of timestamps, and the columns that they add. -#}

{#- A column of a source as a UTC timestamp without a time zone. The loaded column can be a timestamp or a string. -#}
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

{#- A sort order in which the copy of a row that was loaded last comes first, by the columns that loaders add. -#}
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
