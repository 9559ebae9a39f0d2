-- The events from number {{ first }} up to number {{ end }}, oldest first, as a backend stores them.
--
-- Events are numbered back from the end of the newest day, so that a longer history adds older
-- ones and changes none. Of the dimensions some are absent, and a few no number.
INSERT INTO events_event (id, occurred_at, source, title, risk_score, risk_dimensions)
SELECT
    md5('{{ seed }} event ' || number)::uuid,
    pg_temp.occurred_at(number),
    'source-' || number % 40 || '.example',
    'Made-up event ' || number || ', reported for the benchmark',
    CASE WHEN pg_temp.unit(number, 2) < 0.95
        THEN round((100 * pg_temp.unit(number, 3))::numeric, 2) END,
    CASE WHEN pg_temp.unit(number, 4) < 0.97 THEN jsonb_strip_nulls(jsonb_build_object(
        'sanctions', pg_temp.dimension(number, 5),
        'political', pg_temp.dimension(number, 6),
        'economic', pg_temp.dimension(number, 7),
        'supply_chain', pg_temp.dimension(number, 8),
        'confidence', round(pg_temp.unit(number, 9)::numeric, 3),
        'model', 'risk-extractor-3',
        'rationale', left(
            'Read from the text of the report, by its wording about ships, debts, licences and people',
            30 + (58 * pg_temp.unit(number, 10))::int
        )
    )) END
FROM generate_series({{ end }} - 1, {{ first }}, -1) AS number
