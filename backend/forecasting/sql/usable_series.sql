-- The usable series, as common table expressions that the other queries of the series begin with
-- (series.py puts them in, without this comment): `observation`, `judged_series`, `usable_series`.
observation AS (
    -- A row for each series and complete day that the table has rows of.
    SELECT
        {{ series_column }},
        DATE({{ time_column }}, 'UTC') AS day,
        {{ day_means }}
    FROM {{ table }}
    WHERE {{ complete_days }}
    GROUP BY 1, 2
),
judged_series AS (
    -- Each series by its days before {{ until }}: long, dense and recent enough to learn from?
    SELECT
        *,
        span_days > {{ least_days }} AS is_long,
        day_count / span_days >= {{ least_share }} AS is_dense,
        DATE_DIFF({{ until }}, last_day, DAY) <= {{ most_recent }} AS is_recent
    FROM (
        SELECT
            {{ series_column }},
            MIN(day) AS first_day,
            MAX(day) AS last_day,
            DATE_DIFF(MAX(day), MIN(day), DAY) + 1 AS span_days,
            COUNT(*) AS day_count
        FROM observation
        WHERE day < {{ until }}
        GROUP BY 1
    )
),
usable_series AS (
    SELECT * FROM judged_series WHERE is_long AND is_dense AND is_recent
)
