-- Proves that the connection reaches PostgreSQL and logs in: one row, read through it.
SELECT ok FROM EXTERNAL_QUERY({{ connection }}, 'SELECT 1 AS ok')
