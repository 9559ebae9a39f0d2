-- What the tables hold: entities, events, mentions, days of entities with a mention, and how many
-- bytes the text of an event's JSON has on average.
SELECT
    (SELECT count(*) FROM entities_entity),
    (SELECT count(*) FROM events_event),
    (SELECT count(*) FROM entities_entitymention),
    (
        SELECT count(*) FROM (
            SELECT DISTINCT entity_id, (mentioned_at AT TIME ZONE 'UTC')::date
            FROM entities_entitymention
        ) AS entity_day
    ),
    (SELECT avg(octet_length(risk_dimensions::text)) FROM events_event)
