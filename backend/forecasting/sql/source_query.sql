-- Source query, PostgreSQL: one row for each entity and UTC day in [first_day, end_day) on which
-- a scored event mentions the entity.
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
        entity_id,
        event_id,
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
event AS (
    -- A value counts when it is a number, or a string that plainly is one. NaN, infinities and
    -- anything else are NULL: one bad row never costs the night.
    SELECT
        event_id{{ event_time }}{{ event_numbers }}
    FROM (
        SELECT
            {{ event_values }}
        FROM {{ mentioned_events }}
        OFFSET '0'
    ) AS event
    OFFSET '0'
),
counted AS (
    {{ select }}
        mention.entity_id,
        mention.day{{ counted_numbers }}
    FROM mention
    JOIN event ON event.event_id = mention.event_id
        {{ of_recent_event }}
    {{ latest }}
)
SELECT
    counted.entity_id::text AS {{ series_column }},
    counted.day::timestamp AT TIME ZONE 'UTC' AS {{ time_column }},
    {{ means }}
FROM counted
{{ entity_join }}
GROUP BY counted.entity_id, counted.day
HAVING {{ target }} IS NOT NULL
