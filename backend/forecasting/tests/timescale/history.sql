-- What happened from {{ first }} to {{ end }} hours before {{ end_day }}: an event each hour.
--
-- Each is told twice at once and again five hours later, some twenty and fifty days later as well.
-- Some were corrected two days after they had happened, by a second row with their key; some have
-- no score, or no dimensions.
INSERT INTO events_event (id, occurred_at, source, title, risk_score, risk_dimensions)
SELECT
    md5('event ' || hour)::uuid,
    TIMESTAMPTZ '{{ end_day }} 00:00Z' - INTERVAL '1 hour' * hour + INTERVAL '2 days' * correction,
    'source',
    'event',
    CASE WHEN hour % 13 > 0 THEN (hour * 37 + correction * 11) % 101 END,
    CASE WHEN hour % 7 > 0 THEN jsonb_build_object(
        'sanctions', (hour * 3 + correction) % 100,
        'political', ((hour * 5) % 100)::text,
        'economic', 'high'
    ) END
FROM generate_series({{ first }} + 1, {{ end }}) AS hour
CROSS JOIN generate_series(0, CASE WHEN hour % 9 = 0 THEN 1 ELSE 0 END) AS correction;

INSERT INTO entities_entitymention (id, entity_id, event_id, mentioned_at)
SELECT
    md5('mention ' || hour || ' ' || number)::uuid,
    md5('entity ' || (hour * 7 + late) % 12)::uuid,
    md5('event ' || hour)::uuid,
    TIMESTAMPTZ '{{ end_day }} 00:00Z' - INTERVAL '1 hour' * (hour - late)
FROM generate_series({{ first }} + 1, {{ end }}) AS hour
CROSS JOIN LATERAL unnest(
    ARRAY[0, 0, 5] || CASE WHEN hour % 10 = 0 THEN ARRAY[480, 1200] END
) WITH ORDINALITY AS telling (late, number)
WHERE late < hour;

-- Chunks that nothing is written to any more are compressed.
SELECT compress_chunk(chunk, if_not_compressed => true)
FROM unnest(ARRAY['events_event', 'entities_entitymention']) AS name
CROSS JOIN LATERAL show_chunks(
    name::regclass, older_than => TIMESTAMPTZ '{{ end_day }} 00:00Z' - INTERVAL '14 days'
) AS chunk;
ANALYZE;
