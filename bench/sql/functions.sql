-- What the data is drawn with: no random number generator, but hashes of a row's number, so that
-- the same options give the same rows in whatever order and however many at a time.
--
-- Each is a single expression and no less volatile than what it calls, so that PostgreSQL puts it
-- in place of its call.
CREATE FUNCTION pg_temp.unit(number bigint, purpose int) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(number, {{ seed }} * 1000 + purpose) & 9007199254740991)::float8
        / 9007199254740992
$$;

CREATE FUNCTION pg_temp.occurred_at(number bigint) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT TIMESTAMPTZ '{{ end_day }} 00:00Z'
        - INTERVAL '1 second' * ((number + 5e-1) * {{ seconds_per_event }}::float8)
$$;

CREATE FUNCTION pg_temp.dimension(number bigint, purpose int) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN pg_temp.unit(number, purpose + 100) < 0.78
            THEN to_jsonb(round((100 * pg_temp.unit(number, purpose))::numeric, 1))
        WHEN pg_temp.unit(number, purpose + 100) < 0.80
            THEN to_jsonb(round((100 * pg_temp.unit(number, purpose))::numeric, 1)::text)
        WHEN pg_temp.unit(number, purpose + 100) < 0.82 THEN '"high"'::jsonb
    END
$$;
