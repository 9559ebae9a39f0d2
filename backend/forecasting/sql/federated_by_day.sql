-- What the source database holds for each day, read through the connection: source_by_day.sql.
SELECT day, row_count, key_sum, score_sum, value_sum
FROM EXTERNAL_QUERY({{ connection }}, r'''
{{ query }}
''')
