event AS (
    -- A value counts when it is a number, or a string that plainly is one. NaN, infinities and
    -- anything else are NULL: one bad row never costs the night.
    SELECT
        event_id{{ event_time }}{{ event_numbers }}
    FROM (
        SELECT
            {{ event_values }}
        FROM {{ mentioned_events }}
        OFFSET '0'
    ) AS event
    OFFSET '0'
),
counted AS (
    {{ select }}
        entity_id,
        day{{ counted_numbers }}
    FROM (
        -- FULL, though only pairs count: PostgreSQL makes such a join by hashing or sorting and
        -- never row by row, which it would where old statistics let it expect a single mention.
        SELECT
            mention.entity_id,
            mention.day,
            event.event_id{{ event_time }}{{ told_numbers }}
        FROM mention
        FULL JOIN event ON event.event_id = mention.event_id
        OFFSET '0'
    ) AS told
    WHERE day IS NOT NULL
        AND event_id IS NOT NULL
        {{ of_recent_event }}
    {{ latest }}
),
