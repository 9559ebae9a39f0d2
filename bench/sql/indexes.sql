-- How to drop and how to create the keys and indexes of these tables, in an order in which they
-- can be dropped: foreign keys, primary keys, indexes.
SELECT drop_statement, create_statement
FROM (
    SELECT
        CASE contype WHEN 'f' THEN 1 ELSE 2 END AS place,
        format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop_statement,
        format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s',
            conrelid::regclass, conname, pg_get_constraintdef(oid)
        ) AS create_statement
    FROM pg_constraint
    WHERE conrelid::regclass::text IN ({{ tables }}) AND contype IN ('f', 'p')
    UNION ALL
    SELECT 3, format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid::regclass::text IN ({{ tables }}) AND NOT indisprimary
) AS statement
ORDER BY place, drop_statement
