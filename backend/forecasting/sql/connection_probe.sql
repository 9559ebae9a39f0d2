-- Proves that the connection reaches PostgreSQL, logs in, and may run the source query as it now is:
-- PostgreSQL checks names, types and permissions, and reads nothing. Beside it, where asked for,
-- `orphans`: the mentions of some days whose event is gone, which the source query leaves out.
SELECT tried.row_count, {{ orphans }}
FROM (
    SELECT COUNT(*) AS row_count
    FROM EXTERNAL_QUERY({{ connection }}, r'''
SELECT *
FROM (
    {{ source_query }}
) AS source
LIMIT 0
''')
) AS tried
{{ counted }}
