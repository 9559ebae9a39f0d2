-- What the source query would be without dimensions: no JSON is read, only the target.
WITH mention AS (
    SELECT DISTINCT
        entity_id,
        event_id,
        (mentioned_at AT TIME ZONE 'UTC')::date AS day
    FROM entities_entitymention
    WHERE mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
        AND mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
)
SELECT
    mention.entity_id::text AS entity_id,
    mention.day::timestamp AT TIME ZONE 'UTC' AS mentioned_at,
    avg(event.risk_score) AS risk_score
FROM mention
JOIN events_event AS event ON event.id = mention.event_id
GROUP BY mention.entity_id, mention.day
HAVING count(event.risk_score) > 0
