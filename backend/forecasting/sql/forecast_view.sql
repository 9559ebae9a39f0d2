-- {{ description }}
-- Stored by `manage.py bq_setup`: change a setting and run that again, rather than this text.
--
-- For each usable series the last {{ context_days }} complete days, the same for all, and after them the
-- {{ horizon_days }} days from today on. A complete day without a row, or without a number, has the column's
-- last value before it, however long ago; the days to forecast have none, and `observed` is FALSE.
WITH {{ usable_series }},
calendar AS (
    SELECT {{ series_column }}, day
    FROM usable_series
    CROSS JOIN UNNEST(
        GENERATE_DATE_ARRAY(first_day, DATE_ADD({{ today }}, INTERVAL {{ days_ahead }} DAY))
    ) AS day
),
filled AS (
    SELECT
        calendar.{{ series_column }},
        calendar.day,
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
)
SELECT
    {{ series_column }},
    TIMESTAMP(day, 'UTC') AS {{ time_column }},
    {{ values_of_complete_days }},
    {{ observed_column }}
FROM filled
WHERE day >= DATE_SUB({{ today }}, INTERVAL {{ context_days }} DAY)
