-- The PostgreSQL role that the BigQuery connection logs in as: it reads what the nightly load
-- reads, and nothing else. Run it in database {{ database }} as the owner of the tables:
--
--     psql -v role=bigquery_reader -f connection_role.sql
--
-- then give the role a password with \password bigquery_reader, and put both into Secret Manager
-- as {{ user_secret }} and {{ password_secret }}. Running it again changes nothing.
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

-- A load that hangs, or that somebody turned into a write, ends by itself. The last two are for its
-- cost: enough memory to sort a week's mentions, and the price of a look-up in an index on a
-- solid-state disk, so that a few days of a long history are read through the indexes.
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30min';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE :"role" CONNECTION LIMIT 10;
ALTER ROLE :"role" SET work_mem = '16MB';
ALTER ROLE :"role" SET random_page_cost = 1.1;

GRANT CONNECT ON DATABASE {{ quoted_database }} TO :"role";
GRANT USAGE ON SCHEMA public TO :"role";
{{ grants }}
