-- Source query, PostgreSQL, of a source without events: one row for each entity and UTC day in
-- [first_day, end_day) that has a scored mention. source_query.sql says the rest.
SELECT
    counted.entity_id::text AS {{ series_column }},
    counted.day::timestamp AT TIME ZONE 'UTC' AS {{ time_column }},
    {{ means }}
FROM (
    SELECT
        entity_id,
        {{ day }} AS day{{ mention_numbers }}
    FROM (
        SELECT
            {{ mention_values }}
        FROM {{ mention_table }}
        {{ mention_joins }}
        WHERE {{ in_days }}
        {{ mention_fence }}
    ) AS mention
) AS counted
{{ entity_join }}
GROUP BY counted.entity_id, counted.day
HAVING {{ target }} IS NOT NULL
