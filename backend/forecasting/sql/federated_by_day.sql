-- What the source database holds for each day, read through the connection: source_by_day.sql.
SELECT {{ columns }}
FROM EXTERNAL_QUERY({{ connection }}, r'''
{{ query }}
''')
