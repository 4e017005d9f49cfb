{#- Functions whose syntax differs between DuckDB and PostgreSQL. -#}

{#- A column with the values from `first` to `last`, one per row. Only allowed in a select list. -#}
{% macro series(first, last, step) -%}
    {{ return(adapter.dispatch('series', 'tuple')(first, last, step)) }}
{%- endmacro %}

{% macro default__series(first, last, step) -%}
    generate_series({{ first }}, {{ last }}, {{ step }})
{%- endmacro %}

{% macro duckdb__series(first, last, step) -%}
    unnest(generate_series({{ first }}, {{ last }}, {{ step }}))
{%- endmacro %}

{#- The SHA-256 hash of a string, in hexadecimal digits. -#}
{% macro sha256(expression) -%}
    {{ return(adapter.dispatch('sha256', 'tuple')(expression)) }}
{%- endmacro %}

{% macro default__sha256(expression) -%}
    encode(sha256(convert_to({{ expression }}, 'UTF8')), 'hex')
{%- endmacro %}

{% macro duckdb__sha256(expression) -%}
    sha256({{ expression }})
{%- endmacro %}
