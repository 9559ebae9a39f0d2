"""Where the stand-in knowingly differs from Google Cloud.

Each entry has a test that states Google's behaviour and is expected to fail, strictly: when the
difference goes away, the test says so. The other direction, refusing what Google takes, is the
rule; an entry marked EASIER is one where something passes here that Google refuses.
"""

from __future__ import annotations

DIFFERENCES = {
    "legacy-sql": "Legacy SQL is not done.",
    "destination-table": "A query's destination table is not done; CREATE TABLE and INSERT are.",
    "files": "No SQL and no job reaches files: EXPORT DATA, LOAD DATA and load jobs are not done.",
    "geography-wkb": "ST_GEOGFROMWKB is not done: its parser can end the process.",
    "alter-set-options": "ALTER TABLE SET OPTIONS is not done; patching the table is.",
    "alter-rename": "ALTER TABLE RENAME TO is not done.",
    "namesakes": "Of names of tables or datasets that differ in case only the second is "
    "refused, as is IF EXISTS of it; and no dataset is case-insensitive.",
    "scheduled-destination": "A scheduled SELECT with a destination dataset is not done.",
    "external-bit": "EXTERNAL_QUERY does not read bit columns.",
    "bignumeric-scale": "BIGNUMERIC from EXTERNAL_QUERY keeps 18 decimals, not 38.",
    "format-t": "FORMAT knows neither %t nor %T.",
    "duckdb-keywords": "A column named like a keyword of DuckDB, such as `at`, needs an alias.",
    "cast-message": "A failed CAST says more than `Bad int64 value: x`.",
    "division-message": "A division by zero says more than Google does.",
    "query-cache": "No query is answered from a cache.",
    "child-jobs": "The statements of a script are not jobs of their own.",
    "jobs-view": "There is no INFORMATION_SCHEMA.JOBS.",
    "time-travel-states": "FOR SYSTEM_TIME AS OF knows the newest 20 states of a table.",
    "ingestion-expiration": "EASIER: partitions by ingestion time never expire: when a row came in "
    "is not kept. The pipeline's table is partitioned by a column, and is refused otherwise.",
    "permissions": "EASIER: until LocalCloud.iam gives the first role, nobody needs any: the "
    "services of Google's by which an operator gives roles are not among those served here.",
}
