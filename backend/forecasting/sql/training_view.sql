-- {{ description }}
-- Stored by `manage.py bq_setup`: change a setting and run that again, rather than this text.
--
-- A row for each usable series and day from the series' first to its last. What a day lacks, its
-- row or a number of it, is the column's last value before it; NULL before the first. `observed`
-- is whether the table has a row of the day.
WITH {{ usable_series }},
{{ filled_days }}
SELECT
    {{ series_column }},
    TIMESTAMP(day, 'UTC') AS {{ time_column }},
    {{ values }},
    {{ observed_column }}
FROM filled
