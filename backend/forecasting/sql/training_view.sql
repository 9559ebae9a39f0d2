-- {{ description }}
-- Stored by `manage.py bq_setup`: change a setting and run that again, rather than this text.
--
-- A row for each usable series and day from the series' first to its last. What a day lacks, its
-- row or a number of it, is the column's last value before it; NULL before the first. `observed`
-- is whether the table has a row of the day.
WITH {{ usable_series }},
calendar AS (
    SELECT {{ series_column }}, day
    FROM usable_series
    CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(first_day, last_day)) AS day
)
SELECT
    calendar.{{ series_column }},
    TIMESTAMP(calendar.day, 'UTC') AS {{ time_column }},
    {{ last_values }},
    observation.{{ series_column }} IS NOT NULL AS {{ observed_column }}
FROM calendar
LEFT JOIN observation
    ON observation.{{ series_column }} = calendar.{{ series_column }}
    AND observation.day = calendar.day
WINDOW so_far AS (
    PARTITION BY calendar.{{ series_column }}
    ORDER BY calendar.day
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
