-- {{ name }}
-- Stored by `manage.py bq_setup_etl`: change a setting and run that again, rather than this text.
-- Made from these settings:
{{ settings }}
--
-- Replaces the days [first_day, end_day) of the training table by what PostgreSQL holds for them.
-- Days are complete UTC days and come from the run's own time, never from PostgreSQL's clock, so
-- that both sides mean the same days whatever the two clocks say, and a run for a past date loads
-- that date's window. The source query gets them as literals.
DECLARE end_day DATE DEFAULT LEAST(DATE(@run_time, 'UTC'), CURRENT_DATE('UTC'));
DECLARE window_start DATE DEFAULT DATE_SUB(end_day, INTERVAL {{ window_days }} DAY);
DECLARE first_day DATE DEFAULT DATE_SUB(end_day, INTERVAL {{ refresh_days }} DAY);

-- Where the table holds nothing of the window before the refreshed days (the first load, a lost
-- table), the whole window is read.
IF NOT EXISTS (
    SELECT 1 FROM {{ table }}
    WHERE {{ time_column }} >= TIMESTAMP(window_start, 'UTC')
        AND {{ time_column }} < TIMESTAMP(first_day, 'UTC')
) THEN
    SET first_day = window_start;
END IF;

-- 1. Stage: PostgreSQL is read once. EXTERNAL_QUERY takes a literal only, hence the dynamic text.
EXECUTE IMMEDIATE REPLACE(REPLACE(r"""
CREATE OR REPLACE TEMP TABLE staged AS
SELECT {{ columns }}
FROM EXTERNAL_QUERY({{ connection }}, r'''
{{ source_query }}
''')
""", '@first_day', CAST(first_day AS STRING)), '@end_day', CAST(end_day AS STRING));

-- 2. Check what was staged. A failing check fails the run and leaves the training table as it was.
ASSERT EXISTS (SELECT 1 FROM staged)
AS 'The source query returned no rows, so the training table was left as it was: check that the mentions of the last days are in PostgreSQL.';
IF {{ min_rows_ratio }} > 0 THEN
    -- Compared are the days from the first to the last of which the table has rows: a first load, a
    -- widened window and the newest day have nothing to be compared with. ERROR says how many rows
    -- there are, which the text of an ASSERT cannot.
    ASSERT (
        SELECT IF(
            read_rows >= {{ min_rows_ratio }} * held_rows,
            TRUE,
            ERROR(CONCAT(
                'The source query returned far fewer rows than the training table holds for the same days, ',
                CAST(read_rows AS STRING), ' instead of ', CAST(held_rows AS STRING),
                ', so the table was left as it was: find out what PostgreSQL has lost (FORECASTING_MIN_ROWS_RATIO, {{ min_rows_ratio }}, is the share that has to be there).'
            ))
        )
        FROM (
            SELECT
                ANY_VALUE(held.row_count) AS held_rows,
                COUNTIF(
                    staged.{{ time_column }} BETWEEN held.first_time AND held.last_time
                ) AS read_rows
            FROM staged
            CROSS JOIN (
                SELECT
                    COUNT(*) AS row_count,
                    MIN({{ time_column }}) AS first_time,
                    MAX({{ time_column }}) AS last_time
                FROM {{ table }}
                WHERE {{ time_column }} >= TIMESTAMP(first_day, 'UTC')
                    AND {{ time_column }} < TIMESTAMP(end_day, 'UTC')
            ) AS held
        )
    ) AS 'The source query returned far fewer rows than the training table holds.';
END IF;
ASSERT NOT EXISTS (
    SELECT 1 FROM staged WHERE {{ any_required_is_null }}
) AS 'The source query returned a row without entity, day or score, so the training table was left as it was: check source_query.sql.';
ASSERT NOT EXISTS (
    SELECT 1 FROM staged GROUP BY {{ series_column }}, {{ time_column }} HAVING COUNT(*) > 1
) AS 'The source query returned an entity and day twice, so the training table was left as it was: check source_query.sql.';
ASSERT NOT EXISTS (
    SELECT 1 FROM staged
    WHERE {{ time_column }} < TIMESTAMP(first_day, 'UTC')
        OR {{ time_column }} >= TIMESTAMP(end_day, 'UTC')
        OR {{ time_column }} != TIMESTAMP_TRUNC({{ time_column }}, DAY, 'UTC')
) AS 'The source query returned a day outside the refreshed days, or no midnight UTC, so the training table was left as it was: check source_query.sql.';
ASSERT NOT EXISTS (
    SELECT 1 FROM staged WHERE {{ any_number_is_not_finite }}
) AS 'The source query returned NaN or an infinite number, so the training table was left as it was: check source_query.sql.';

-- 3. Replace, in one atomic statement. ON FALSE matches nothing: the refreshed days are deleted
-- and the staged rows inserted, so running twice ends with the same rows. Later days (a run for a
-- past date) stay.
MERGE {{ table }} AS target
USING staged AS source
ON FALSE
WHEN NOT MATCHED BY SOURCE
    AND target.{{ time_column }} < TIMESTAMP(end_day, 'UTC')
    AND {{ leaving }} THEN
    DELETE
WHEN NOT MATCHED BY TARGET THEN
    INSERT ({{ columns }})
    VALUES ({{ columns }});
