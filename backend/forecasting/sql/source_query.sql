-- Source query, PostgreSQL: one row for each entity and UTC day in [first_day, end_day) on which
-- a scored event mentions the entity.
--
-- Takes two dates, which the nightly load puts in at run time: @first_day and @end_day.
-- uuid and jsonb end here: BigQuery's federation refuses both.
--
-- OFFSET '0' leaves out nothing. It keeps PostgreSQL from merging a part into the next one, so that
-- each event's JSON is read once, and still lets several processes share the work (of OFFSET 0,
-- without the quotes, it does not see in time that it limits nothing).
WITH mention AS {{ materialized }} (
    SELECT
        entity_id,
        event_id,
        (mentioned_at AT TIME ZONE 'UTC')::date AS day
    FROM entities_entitymention
    WHERE mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
        AND mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
    OFFSET '0'
),
event AS (
    -- A value counts when it is a number, or a string that plainly is one. NaN, infinities and
    -- anything else are NULL: one bad row never costs the night.
    SELECT
        event.id,
        CASE WHEN abs(event.risk_score) < 1e100 THEN event.risk_score END AS risk_score,
        {{ dimension_numbers }}
    FROM events_event AS event
    WHERE event.id IN (SELECT event_id FROM mention)
    OFFSET '0'
),
counted AS (
    -- An event counts once for an entity and day, however often it mentions the entity. The sort
    -- that this takes serves the grouping below as well.
    SELECT DISTINCT ON (mention.entity_id, mention.day, event.id)
        mention.entity_id,
        mention.day,
        event.*
    FROM mention
    JOIN event ON event.id = mention.event_id
)
SELECT
    counted.entity_id::text AS {{ series_column }},
    counted.day::timestamp AT TIME ZONE 'UTC' AS {{ time_column }},
    {{ target }} AS {{ target_column }},
    {{ dimension_means }}
FROM counted
{{ entity_join }}
GROUP BY counted.entity_id, counted.day
HAVING {{ target }} IS NOT NULL
