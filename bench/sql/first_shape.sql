-- The shape that the pipeline was first planned in: every mention in [first_day, end_day) with its
-- event's score and all of its JSON, to be aggregated where it arrives. Takes two dates.
SELECT
    entity.id::text AS entity_id,
    mention.mentioned_at,
    event.risk_score,
    event.risk_dimensions::text AS risk_dimensions
FROM entities_entitymention AS mention
JOIN entities_entity AS entity ON entity.id = mention.entity_id
JOIN events_event AS event ON event.id = mention.event_id
WHERE mention.mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
    AND mention.mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
