-- The usable series without gaps, as the common table expressions that both views go on with
-- (series.py puts them in, without this comment): `calendar` and `filled`, a row for each usable
-- series and day from the series' first to {{ to_day }}. What a day lacks, its row or a number of
-- it, is the column's last value before it, however long ago; NULL before the first.
calendar AS (
    SELECT {{ series_column }}, day
    FROM usable_series
    CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(first_day, {{ to_day }})) AS day
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
