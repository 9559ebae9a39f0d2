-- Source query, PostgreSQL: one row for each entity and UTC day in [first_day, end_day) that
-- has a score.
--
-- Takes two dates, which the nightly load puts in at run time: @first_day and @end_day.
-- The tables and columns are those of the backend's models, by the settings. uuid and jsonb end
-- here: BigQuery's federation refuses both.
--
-- OFFSET '0' leaves out nothing. It keeps PostgreSQL from merging a part into the next one, so that
-- each event's JSON is read once, and still lets several processes share the work (of OFFSET 0,
-- without the quotes, it does not see in time that it limits nothing).
WITH mention AS {{ materialized }} (
    SELECT
        {{ mention_keys }},
        {{ day }} AS day{{ mention_numbers }}
    FROM (
        SELECT
            {{ mention_values }}
        FROM {{ mention_table }}
        {{ mention_joins }}
        WHERE {{ in_days }}
        {{ mention_fence }}
    ) AS mention
    {{ mention_grouping }}
    OFFSET '0'
),
{{ counted_events }}
daily AS (
    SELECT
        entity_id,
        day{{ means }}
    FROM {{ counted }}
    GROUP BY entity_id, day
)
SELECT
    entity_id::text AS {{ series_column }},
    day::timestamp AT TIME ZONE 'UTC' AS {{ time_column }},
    {{ results }}
FROM {{ daily }}
WHERE {{ in_result }}
