CASE
    WHEN jsonb_typeof({{ value }}) = 'number' THEN CASE
        WHEN abs({{ value }}::numeric) < 1e-300 THEN 0
        WHEN abs({{ value }}::numeric) < 1e100 THEN {{ value }}::float8
    END
    WHEN length({{ value }} #>> '{}') <= {{ longest_number }} AND {{ value }} #>> '{}' ~ '{{ plain_number }}'
    THEN ({{ value }} #>> '{}')::float8
END
