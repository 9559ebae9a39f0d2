-- The days of the training table that hold rows, GoogleSQL; takes the query parameter @table.
-- BigQuery knows them without reading the table. Rows without a day, and rows that were streamed
-- and not sorted in yet, have ids that are no days.
SELECT partition_id, SUM(total_rows) AS row_count
FROM {{ partitions }}
WHERE table_name = @table AND REGEXP_CONTAINS(partition_id, r'^\d{8}$')
GROUP BY partition_id
HAVING row_count > 0
