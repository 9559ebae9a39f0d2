-- The events that are mentioned in [first_day, end_day), each once, with all of their JSON.
SELECT
    id::text AS id,
    risk_score,
    risk_dimensions::text AS risk_dimensions
FROM events_event
WHERE id IN (
    SELECT event_id
    FROM entities_entitymention
    WHERE mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
        AND mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
)
