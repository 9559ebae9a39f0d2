-- What the training table holds, in one row, computed in BigQuery whatever the table's size.
--
-- Takes the query parameters @window_start and @end_day (DATE), the days that the table should
-- hold being [window_start, end_day), @today (DATE), before which days are complete, and
-- @short_days and @model_days (INT64): a series that spans less than the one is short, and one that
-- spans as much as the other has room for a model's context and horizon.
--
-- Of all days, with a condition that is true of each: a table may demand one on its partitions.
WITH {{ usable_series }},
series AS (
    SELECT
        COUNT(*) AS row_count,
        COUNT(DISTINCT {{ time_column }}) AS steps,
        DATE_DIFF(
            MAX(DATE({{ time_column }}, 'UTC')), MIN(DATE({{ time_column }}, 'UTC')), DAY
        ) + 1 AS span_days,
        MIN({{ target_column }}) = MAX({{ target_column }}) AS is_constant
    FROM {{ table }}
    WHERE {{ every_day }}
    GROUP BY {{ series_column }}
),
all_series AS (
    SELECT
        COUNT(*) AS series_count,
        SUM(row_count - steps) AS repeated_rows,
        MAX(steps) AS most_steps,
        COUNTIF(span_days < @short_days) AS short_series,
        COUNTIF(is_constant AND steps > 1) AS constant_series,
        AVG(1 - steps / span_days) AS missing_share
    FROM series
),
all_rows AS (
    SELECT
        COUNT(*) AS row_count,
        COUNTIF({{ in_window }}) AS rows_in_window,
        COUNT(DISTINCT IF({{ in_window }}, {{ series_column }}, NULL)) AS series_in_window,
        COUNT(DISTINCT IF({{ in_window }}, DATE({{ time_column }}, 'UTC'), NULL)) AS days_in_window,
        COUNTIF({{ any_required_is_null }}) AS rows_with_null,
        COUNTIF({{ any_number_is_not_finite }}) AS rows_not_finite,
        COUNTIF({{ target_column }} < 0 OR {{ target_column }} > 100) AS rows_out_of_range,
        COUNTIF(DATE({{ time_column }}, 'UTC') < @window_start) AS rows_before_window,
        COUNTIF(DATE({{ time_column }}, 'UTC') >= @end_day) AS rows_after_window,
        COUNTIF(
            {{ time_column }} != TIMESTAMP_TRUNC({{ time_column }}, DAY, 'UTC')
        ) AS rows_off_midnight,
        MIN(DATE({{ time_column }}, 'UTC')) AS first_day,
        MAX(DATE({{ time_column }}, 'UTC')) AS last_day
    FROM {{ table }}
    WHERE {{ every_day }}
),
all_judged AS (
    SELECT
        COUNT(*) AS judged_count,
        COUNTIF(NOT is_long) AS short_count,
        COUNTIF(NOT is_dense) AS sparse_count,
        COUNTIF(NOT is_recent) AS old_count
    FROM judged_series
),
all_usable AS (
    SELECT
        COUNT(*) AS usable_count,
        COUNTIF(span_days >= @model_days) AS long_usable_count,
        SUM(span_days) AS usable_rows,
        MAX(span_days) AS usable_steps,
        MIN(first_day) AS usable_first_day,
        MAX(last_day) AS usable_last_day
    FROM usable_series
)
SELECT *
FROM all_rows
CROSS JOIN all_series
CROSS JOIN all_judged
CROSS JOIN all_usable
