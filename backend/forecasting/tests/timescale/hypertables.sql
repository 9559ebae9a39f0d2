-- The events and mentions of the sample backend as hypertables, and twelve entities.
ALTER TABLE events_event DROP CONSTRAINT events_event_pkey, ADD PRIMARY KEY (id, occurred_at);
ALTER TABLE entities_entitymention
    DROP CONSTRAINT entities_entitymention_pkey, ADD PRIMARY KEY (id, mentioned_at);
SELECT create_hypertable('events_event', by_range('occurred_at', INTERVAL '7 days'));
SELECT create_hypertable('entities_entitymention', by_range('mentioned_at', INTERVAL '7 days'));
ALTER TABLE events_event SET (timescaledb.compress, timescaledb.compress_orderby = 'occurred_at');
ALTER TABLE entities_entitymention SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'entity_id',
    timescaledb.compress_orderby = 'mentioned_at'
);
INSERT INTO entities_entity (id, name, entity_type)
SELECT md5('entity ' || number)::uuid, 'Entity ' || number, 'company'
FROM generate_series(0, 11) AS number;
