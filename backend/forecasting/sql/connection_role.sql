-- The PostgreSQL role that the BigQuery connection logs in as: it reads what the nightly load
-- reads, and nothing else. Run it in database {{ database }} as the owner of the tables:
--
--     psql -v role=bigquery_reader -f connection_role.sql
--
-- then give the role a password with \password bigquery_reader, and put both into Secret Manager
-- as {{ user_secret }} and {{ password_secret }}. Running it again changes nothing.
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

-- A load that hangs, or that somebody turned into a write, ends by itself. The sort memory keeps
-- the aggregation of a window off the disk.
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30min';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE :"role" SET work_mem = '64MB';
ALTER ROLE :"role" CONNECTION LIMIT 10;

GRANT CONNECT ON DATABASE {{ quoted_database }} TO :"role";
GRANT USAGE ON SCHEMA public TO :"role";
{{ grants }}
