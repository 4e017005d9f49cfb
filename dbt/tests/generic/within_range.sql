{% test within_range(model, column_name, least=none, most=none) %}
{{ config(description='Values lie between two bounds, which are included; null is allowed.') }}
select {{ column_name }}
from {{ model }}
where
    false
    {%- if least is not none %} or {{ column_name }} < {{ least }} {% endif %}
    {%- if most is not none %} or {{ column_name }} > {{ most }} {% endif %}
{% endtest %}
