-- What the training table holds for each day, GoogleSQL; takes the query parameters @window_start
-- and @end_day (DATE), the days being [window_start, end_day).
--
-- key_sum tells whether the entities are the same. For each column of numbers: how many there are,
-- and their sum, each with a weight of its entity, so that a number at another entity shows. What
-- is far off the column's scale is summed up apart: in one sum with the others it would hide them.
-- Sums of floating point differ in their last digits with the order of the rows, so whoever
-- compares them allows for that.
SELECT
    DATE({{ time_column }}, 'UTC') AS day,
    COUNT(*) AS row_count,
    SUM(key) AS key_sum,
    SUM({{ target_column }}) AS score_sum,
    {{ column_sums }}
FROM (
    SELECT *, 1 + key / 4294967296 AS weight
    FROM (
        SELECT *, CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({{ series_column }})), 1, 8)) AS INT64) AS key
        FROM {{ table }}{{ as_of }}
        WHERE {{ time_column }} >= TIMESTAMP(@window_start, 'UTC')
            AND {{ time_column }} < TIMESTAMP(@end_day, 'UTC')
    )
)
GROUP BY day
ORDER BY day
