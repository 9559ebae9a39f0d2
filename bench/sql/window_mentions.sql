-- The mentions in [first_day, end_day), for whoever aggregates them elsewhere. As little as does.
SELECT
    entity_id::text AS entity_id,
    event_id::text AS event_id,
    (mentioned_at AT TIME ZONE 'UTC')::date AS day
FROM entities_entitymention
WHERE mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
    AND mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
