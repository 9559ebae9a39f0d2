-- How many mentions [first_day, end_day) has: the least that any query of the window can do.
SELECT count(*)
FROM entities_entitymention
WHERE mentioned_at >= DATE '@first_day'::timestamp AT TIME ZONE 'UTC'
    AND mentioned_at < DATE '@end_day'::timestamp AT TIME ZONE 'UTC'
