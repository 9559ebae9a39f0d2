-- What the charts of the report show, GoogleSQL, summed up in BigQuery: rows of three kinds.
--
--   day     a day of the window: its rows
--   score   a step of 5 on the scale of scores, below 0 and above 100 included: its rows
--   entity  an entity and day, for the entities with most days: its score and dimensions
--
-- Takes the query parameters @window_start and @end_day (DATE), the days being
-- [window_start, end_day), @entities_from (DATE), the first day of the entities, and @entities
-- (INT64), how many of them. `day_count` is how many days of the window an entity has.
WITH training AS (
    SELECT
        {{ series_column }} AS entity_id,
        DATE({{ time_column }}, 'UTC') AS day,
        {{ target_column }} AS risk_score,
        {{ dimensions }}
    FROM {{ table }}
    WHERE {{ time_column }} >= TIMESTAMP(@window_start, 'UTC')
        AND {{ time_column }} < TIMESTAMP(@end_day, 'UTC')
),
leading AS (
    SELECT entity_id, COUNT(DISTINCT day) AS day_count
    FROM training
    GROUP BY entity_id
    ORDER BY day_count DESC, entity_id
    LIMIT @entities
),
stepped AS (
    SELECT
        CASE
            WHEN risk_score < 0 THEN -5.0
            WHEN risk_score > 100 THEN 100.0
            WHEN risk_score = 100 THEN 95.0
            ELSE FLOOR(risk_score / 5) * 5
        END AS step
    FROM training
)
SELECT
    'day' AS kind,
    CAST(NULL AS STRING) AS entity_id,
    day,
    COUNT(*) AS row_count,
    CAST(NULL AS INT64) AS day_count,
    CAST(NULL AS FLOAT64) AS risk_score,
    {{ no_dimensions }}
FROM training
GROUP BY day
UNION ALL
SELECT 'score', NULL, NULL, COUNT(*), NULL, step, {{ nulls }}
FROM stepped
GROUP BY step
UNION ALL
SELECT
    'entity',
    training.entity_id,
    day,
    COUNT(*),
    ANY_VALUE(day_count),
    AVG(risk_score),
    {{ dimension_means }}
FROM training
JOIN leading ON leading.entity_id = training.entity_id
WHERE day >= @entities_from
GROUP BY training.entity_id, day
