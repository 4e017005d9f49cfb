{#- A UTC timestamp, converted to the time zone `tuple_time_zone`. -#}
{% macro local_time(timestamp) -%}
    timezone('{{ dbt.escape_single_quotes(var('tuple_time_zone')) }}', timezone('UTC', {{ timestamp }}))
{%- endmacro %}

{#- The Monday of the week in which a local timestamp or date lies. -#}
{% macro week_of(timestamp) -%}
    cast(date_trunc('week', {{ timestamp }}) as date)
{%- endmacro %}

{#- `tuple_today`, or the current date in the time zone `tuple_time_zone`. -#}
{% macro today() -%}
    {%- if var('tuple_today') -%}
        cast('{{ var('tuple_today') }}' as date)
    {%- else -%}
        cast(timezone('{{ dbt.escape_single_quotes(var('tuple_time_zone')) }}', now()) as date)
    {%- endif -%}
{%- endmacro %}

{#- Milliseconds from one timestamp to another. -#}
{% macro milliseconds(earlier, later) -%}
    cast(round(extract(epoch from ({{ later }} - {{ earlier }})) * 1000) as bigint)
{%- endmacro %}

{#- Hours as a fraction, from milliseconds. -#}
{% macro hours(milliseconds) -%}
    cast({{ milliseconds }} as double precision) / 3600000
{%- endmacro %}
