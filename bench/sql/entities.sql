-- {{ entities }} entities, numbered from 0. Their ids follow from their number and the seed.
INSERT INTO entities_entity (id, name, entity_type, risk_score)
SELECT
    md5('{{ seed }} entity ' || number)::uuid,
    'Entity ' || number,
    (ARRAY['person', 'company', 'government'])[1 + number % 3],
    round((100 * pg_temp.unit(number, 1))::numeric, 2)
FROM generate_series(0, {{ entities }} - 1) AS number
