-- The PostgreSQL role that the BigQuery connection logs in as: it reads what the nightly load
-- reads, and nothing else. Run it in database {{ database }} as the owner of the tables, who needs
-- CREATEROLE for it:
--
--     psql -v role=bigquery_reader -f role.sql
--
-- then give the role a password with \password bigquery_reader, and put both into Secret Manager
-- as {{ user_secret }} and {{ password_secret }}. Running it again changes nothing.
\set ON_ERROR_STOP on
\if :{?role}
\else
\set role ''
\endif
SELECT :'role' = '' AS without_a_role, octet_length(:'role') > 63 AS name_is_cut_off \gset
\if :without_a_role
DO 'BEGIN RAISE $$Give the name of the role: psql -v role=bigquery_reader -f role.sql$$; END';
\elif :name_is_cut_off
DO 'BEGIN RAISE $$The name of the role has more than the 63 bytes that PostgreSQL takes: give a shorter one$$; END';
\endif

BEGIN;
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

-- A load that hangs, or that somebody turned into a write, ends by itself; one from which a policy
-- hides rows fails, and does not leave them out. The last two are for its cost: enough memory to
-- sort a week's mentions, and the price of a look-up in an index on a solid-state disk, so that a
-- few days of a long history are read through the indexes.
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30min';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE :"role" CONNECTION LIMIT 10;
ALTER ROLE :"role" SET row_security = off;
ALTER ROLE :"role" SET work_mem = '16MB';
ALTER ROLE :"role" SET random_page_cost = 1.1;

GRANT CONNECT ON DATABASE {{ quoted_database }} TO :"role";
{{ search_path }}
SELECT set_config('forecasting.role', :'role', true) AS role_of_the_connection \gset
DO $script$
DECLARE
    reader text := quote_ident(current_setting('forecasting.role'));
    timescale boolean := EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');
    compressed boolean := false;
    -- Where the tables are whose schema the query does not name, as far as there are such.
    searched name[];
    source record;
BEGIN
    FOR source IN
        SELECT read.*, relnamespace::regnamespace AS schema, nspname
        FROM (VALUES
            {{ sources }}
        ) AS read (name, has_schema, columns)
        JOIN pg_class ON pg_class.oid = read.name
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', source.schema, reader);
        IF NOT source.has_schema THEN
            searched := searched || source.nspname;
        END IF;
        IF timescale THEN
            EXECUTE $$
                SELECT coalesce(bool_or(compression_enabled), false)
                FROM timescaledb_information.hypertables
                WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = $1
            $$ INTO compressed USING source.name;
        END IF;
        IF compressed THEN
            RAISE NOTICE 'TimescaleDB compresses %, of which no columns can be granted: % may read all of it.', source.name, reader;
            EXECUTE format('GRANT SELECT ON %s TO %s', source.name, reader);
        ELSE
            EXECUTE format('GRANT SELECT (%s) ON %s TO %s', source.columns, source.name, reader);
        END IF;
    END LOOP;
    IF searched IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %s SET search_path = %s', reader, (
            -- In the order in which they were searched here: a table may be in several.
            SELECT string_agg(quote_ident(schema), ', ' ORDER BY place)
            FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (schema, place)
            WHERE schema = ANY (searched)
        ));
    END IF;
END
$script$;
COMMIT;
