-- How many rows does each hour of the lake hold, by kind?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- Hours of the lake's keys, whole ones; lines are rows without those that were delivered again.
SELECT
  lake_hour,
  kind,
  count(*) AS row_count,
  count(DISTINCT session || ' ' || CAST(n AS VARCHAR)) AS lines,
  count(DISTINCT product_id) AS products
FROM processed
WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
GROUP BY lake_hour, kind
ORDER BY lake_hour, kind
