-- DuckDB: the training table's rows, from relations of mentions (entity_id, event_id, day) and of
-- events (id, risk_score, risk_dimensions) that were extracted.
CREATE TABLE training AS
WITH mention AS (
    SELECT DISTINCT entity_id, event_id, day FROM {{ mentions }}
),
event AS (
    SELECT
        id,
        risk_score,
        TRY_CAST(risk_dimensions::JSON ->> '$.sanctions' AS DOUBLE) AS sanctions_risk,
        TRY_CAST(risk_dimensions::JSON ->> '$.political' AS DOUBLE) AS political_risk,
        TRY_CAST(risk_dimensions::JSON ->> '$.economic' AS DOUBLE) AS economic_risk,
        TRY_CAST(risk_dimensions::JSON ->> '$.supply_chain' AS DOUBLE) AS supply_chain_risk
    FROM {{ events }}
)
SELECT
    mention.entity_id::VARCHAR AS entity_id,
    mention.day::TIMESTAMP AS mentioned_at,
    avg(event.risk_score) AS risk_score,
    avg(event.sanctions_risk) AS sanctions_risk,
    avg(event.political_risk) AS political_risk,
    avg(event.economic_risk) AS economic_risk,
    avg(event.supply_chain_risk) AS supply_chain_risk
FROM mention
JOIN event ON event.id = mention.event_id
GROUP BY mention.entity_id, mention.day
HAVING count(event.risk_score) > 0
