-- DuckDB: the mentions in [{{ first_day }}, {{ end_day }}) of an attached PostgreSQL.
SELECT
    entity_id,
    event_id,
    make_timestamp(epoch_us(mentioned_at))::DATE AS day
FROM source.entities_entitymention
WHERE mentioned_at >= '{{ first_day }} 00:00:00+00'::TIMESTAMPTZ
    AND mentioned_at < '{{ end_day }} 00:00:00+00'::TIMESTAMPTZ
