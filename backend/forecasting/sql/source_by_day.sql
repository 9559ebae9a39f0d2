-- What the source database holds for each day, PostgreSQL: the source query itself, summed up.
--
-- Yields the columns of table_by_day.sql, which sums up the same days of the training table.
-- Both compute `key` alike: the first 32 bits of the MD5 of the entity's id.
SELECT
    ({{ time_column }} AT TIME ZONE 'UTC')::date AS day,
    count(*) AS row_count,
    sum(key) AS key_sum,
    sum({{ target_column }}) AS score_sum,
    {{ column_sums }}
FROM (
    SELECT *, 1 + key::float8 / 4294967296 AS weight
    FROM (
        SELECT *, ('x' || substr(md5({{ series_column }}), 1, 8))::bit(32)::bigint AS key
        FROM (
            {{ source_query }}
        ) AS source
    ) AS keyed
) AS weighed
GROUP BY day
ORDER BY day
