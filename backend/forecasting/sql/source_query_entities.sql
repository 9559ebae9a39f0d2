(
    -- What is the entity's own, the same on all days. FULL: see above.
    SELECT
        daily.*{{ entity_columns }}
    FROM daily
    FULL JOIN (
        SELECT
            entity_id{{ entity_numbers }}
        FROM (
            SELECT
                {{ entity_values }}
            FROM {{ entity_table }}
            {{ entity_joins }}
            OFFSET '0'
        ) AS entity
        GROUP BY entity_id
    ) AS entity ON entity.entity_id = daily.entity_id
    OFFSET '0'
) AS daily
