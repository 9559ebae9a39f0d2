-- How many pages of the tables hold rows that are not known to be visible to all.
SELECT coalesce(sum(relpages - relallvisible), 0)
FROM pg_class
WHERE oid IN (SELECT name::regclass FROM unnest(ARRAY[{{ tables }}]) AS name)
