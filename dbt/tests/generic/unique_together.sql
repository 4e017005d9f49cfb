{% test unique_together(model, columns) %}
{{ config(description='No two rows have the same values in all of the columns.') }}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
