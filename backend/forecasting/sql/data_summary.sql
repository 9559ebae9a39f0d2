-- What the training table holds, in one row, computed in BigQuery whatever the table's size.
--
-- Takes the query parameters @window_start and @end_day (DATE): the days that the table should
-- hold are [window_start, end_day).
WITH keys AS (
    SELECT COUNT(*) AS row_count
    FROM {{ table }}
    GROUP BY {{ series_column }}, {{ time_column }}
)
SELECT
    COUNT(*) AS row_count,
    COUNTIF({{ in_window }}) AS rows_in_window,
    COUNT(DISTINCT {{ series_column }}) AS series_count,
    (SELECT COUNTIF(row_count > 1) FROM keys) AS repeated_keys,
    COUNTIF({{ any_required_is_null }}) AS rows_with_null,
    COUNTIF(DATE({{ time_column }}) < @window_start) AS rows_before_window,
    COUNTIF(DATE({{ time_column }}) >= @end_day) AS rows_after_window,
    COUNTIF({{ time_column }} != TIMESTAMP_TRUNC({{ time_column }}, DAY)) AS rows_off_midnight,
    MIN(DATE({{ time_column }})) AS first_day,
    MAX(DATE({{ time_column }})) AS last_day
FROM {{ table }}
