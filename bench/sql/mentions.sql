-- The mentions from number {{ first }} up to number {{ end }}, oldest first.
--
-- About {{ per_event }} for each event. Some entities are in the news more than others; three in a
-- hundred mentions repeat the one before, mostly of the same event. Most come within hours of their
-- event, some a day later, none after the newest day.
INSERT INTO entities_entitymention (id, entity_id, event_id, mentioned_at)
SELECT
    md5('{{ seed }} mention ' || number)::uuid,
    md5('{{ seed }} entity ' || floor(
        {{ entities }} * pg_temp.unit(number + (pg_temp.unit(number, 11) < 0.03)::int, 12) ^ {{ skew }}
    )::bigint)::uuid,
    md5('{{ seed }} event ' || event)::uuid,
    CASE WHEN late < TIMESTAMPTZ '{{ end_day }} 00:00Z' THEN late ELSE occurred_at END
FROM generate_series({{ end }} - 1, {{ first }}, -1) AS number
CROSS JOIN LATERAL (
    SELECT least(
        floor(number / {{ per_event }}e0 + 2 * pg_temp.unit(number, 13))::bigint,
        {{ events }} - 1
    ) AS event
) AS chosen
CROSS JOIN LATERAL (SELECT pg_temp.occurred_at(event) AS occurred_at) AS report
CROSS JOIN LATERAL (
    SELECT occurred_at + INTERVAL '36 hours' * pg_temp.unit(number, 14) ^ 4 AS late
) AS moment
