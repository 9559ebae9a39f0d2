LEFT JOIN (
    -- What is the entity's own: the same on all days.
    SELECT
        entity_id{{ entity_numbers }}
    FROM (
        SELECT
            {{ entity_values }}
        FROM {{ entity_table }}
        {{ entity_joins }}
        OFFSET '0'
    ) AS entity
) AS entity ON entity.entity_id = counted.entity_id
