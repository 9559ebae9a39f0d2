-- Mentions in [first_day, end_day) whose event is gone, PostgreSQL: the source query leaves them out.
--
-- Takes the two dates that the source query takes. Events are looked up as it does for a refresh,
-- and joined as it does: each event has its mentions, so that FULL adds nothing.
WITH mention AS MATERIALIZED (
    SELECT {{ event }} AS event_id
    FROM {{ mention_table }}
    {{ mention_joins }}
    WHERE {{ in_days }}
        AND {{ event }} IS NOT NULL
),
event AS (
    SELECT DISTINCT {{ event_key }} AS event_id
    FROM {{ mentioned_events }}
)
SELECT count(*) - count(event.event_id) AS orphans
FROM mention
FULL JOIN event ON event.event_id = mention.event_id
