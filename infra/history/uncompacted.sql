-- Which delivered rows may be needed beside history?
-- :first_hour text, default 2014/01/01/00
-- On Athena a view, made anew after a compaction with the first hour that is not compacted, less one for clocks that differ. At home the
-- objects themselves are known, and this is a table of those that hold rows of an hour not compacted (local/lake/history.py).
CREATE OR REPLACE VIEW uncompacted AS
SELECT *
FROM processed
WHERE lake_hour >= :first_hour
