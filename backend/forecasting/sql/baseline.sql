-- How well the simplest forecasts would have done, GoogleSQL, in one row of totals and the days of
-- a few series to draw: what a model has to beat. The test are the complete days from @cutoff on,
-- for the series that were usable the day before it.
--
--   last     the series' last observed score
--   mean     the mean of its observed scores of the 28 days before the cutoff, else `last`
--   weekday  that of the same weekday in the 56 days before the cutoff, else `mean`
--
-- Takes the query parameters @today and @cutoff (DATE), and @examples (INT64), how many series to
-- draw: those with most days in the test.
--
--   total    `row_count` rows to forecast in `series_count` series, the sum of their scores' sizes,
--            the sum of each method's errors, and the mean step from row to row before the cutoff
--   example  a series and day: its score, and where the day is to be forecast, what each said
WITH {{ usable_series }},
history AS (
    SELECT
        observation.{{ series_column }},
        observation.day,
        observation.{{ target_column }} AS score,
        observation.day = usable_series.last_day AS is_last,
        ABS(
            observation.{{ target_column }} - LAG(observation.{{ target_column }}) OVER (
                PARTITION BY observation.{{ series_column }} ORDER BY observation.day
            )
        ) AS step
    FROM observation
    JOIN usable_series ON usable_series.{{ series_column }} = observation.{{ series_column }}
    WHERE observation.day < @cutoff
),
known AS (
    SELECT
        {{ series_column }},
        MAX(IF(is_last, score, NULL)) AS last_score,
        AVG(IF(day >= DATE_SUB(@cutoff, INTERVAL 28 DAY), score, NULL)) AS mean_score
    FROM history
    GROUP BY 1
),
known_weekday AS (
    SELECT {{ series_column }}, EXTRACT(DAYOFWEEK FROM day) AS weekday, AVG(score) AS weekday_score
    FROM history
    WHERE day >= DATE_SUB(@cutoff, INTERVAL 56 DAY)
    GROUP BY 1, 2
),
forecast AS (
    SELECT
        observation.{{ series_column }},
        observation.day,
        observation.{{ target_column }} AS score,
        last_score AS last_value,
        COALESCE(mean_score, last_score) AS mean_value,
        COALESCE(weekday_score, mean_score, last_score) AS weekday_value
    FROM observation
    JOIN known ON known.{{ series_column }} = observation.{{ series_column }}
    LEFT JOIN known_weekday
        ON known_weekday.{{ series_column }} = observation.{{ series_column }}
        AND known_weekday.weekday = EXTRACT(DAYOFWEEK FROM observation.day)
    WHERE observation.day >= @cutoff
),
leading AS (
    SELECT {{ series_column }}
    FROM forecast
    GROUP BY 1
    ORDER BY COUNT(*) DESC, 1
    LIMIT @examples
)
SELECT
    'total' AS kind,
    CAST(NULL AS STRING) AS {{ series_column }},
    CAST(NULL AS DATE) AS day,
    (SELECT COUNT(*) FROM usable_series) AS series_count,
    COUNT(*) AS row_count,
    SUM(ABS(score)) AS score,
    SUM(ABS(score - last_value)) AS last_value,
    SUM(ABS(score - mean_value)) AS mean_value,
    SUM(ABS(score - weekday_value)) AS weekday_value,
    (SELECT AVG(step) FROM history) AS mean_step
FROM forecast
UNION ALL
SELECT 'example', {{ series_column }}, day, NULL, NULL, score, NULL, NULL, NULL, NULL
FROM history
WHERE day >= DATE_SUB(@cutoff, INTERVAL {{ shown_days }} DAY)
    AND {{ series_column }} IN (SELECT {{ series_column }} FROM leading)
UNION ALL
SELECT
    'example', {{ series_column }}, day, NULL, NULL, score, last_value, mean_value, weekday_value, NULL
FROM forecast
WHERE {{ series_column }} IN (SELECT {{ series_column }} FROM leading)
