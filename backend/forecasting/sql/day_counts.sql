-- What the training table holds for each day, counted, GoogleSQL; takes the query parameters
-- @window_start and @end_day (DATE), the days being [window_start, end_day).
--
-- For each dimension: how many rows have it, how many values are off its scale, and the least and
-- greatest one.
SELECT
    DATE({{ time_column }}, 'UTC') AS day,
    COUNT(*) AS row_count,
    {{ dimension_counts }}
FROM {{ table }}
WHERE {{ time_column }} >= TIMESTAMP(@window_start, 'UTC')
    AND {{ time_column }} < TIMESTAMP(@end_day, 'UTC')
GROUP BY day
ORDER BY day
