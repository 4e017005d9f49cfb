{#- A UTC timestamp by the clock of `tuple_time_zone`. -#}
{% macro local_time(timestamp) -%}
    timezone('{{ dbt.escape_single_quotes(var('tuple_time_zone')) }}', timezone('UTC', {{ timestamp }}))
{%- endmacro %}

{#- The Monday of the week of a local timestamp or date. -#}
{% macro week_of(timestamp) -%}
    cast(date_trunc('week', {{ timestamp }}) as date)
{%- endmacro %}

{#- The current date by the clock of `tuple_time_zone`, or `tuple_today`. -#}
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
