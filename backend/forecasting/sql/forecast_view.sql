-- {{ description }}
-- Stored by `manage.py bq_setup`: change a setting and run that again, rather than this text.
--
-- For each usable series the last {{ context_days }} complete days, the same for all, and after them the
-- {{ horizon_days }} days from today on. A complete day without a row, or without a number, has the column's
-- last value before it, however long ago; the days to forecast have none, and `observed` is FALSE.
WITH {{ usable_series }},
{{ filled_days }}
SELECT
    {{ series_column }},
    TIMESTAMP(day, 'UTC') AS {{ time_column }},
    {{ values_of_complete_days }},
    {{ observed_column }}
FROM filled
WHERE day >= DATE_SUB({{ today }}, INTERVAL {{ context_days }} DAY)
