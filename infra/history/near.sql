-- Near which hours does each object hold trades?
-- Near is in the hour or within a minute of it (infra/history/hour.sql judges copies that far apart together): a row per object and pair of
-- hours, each as its start in microseconds, both the same but for trades at an hour's edge. On Athena "$path" is the object's own name.
SELECT DISTINCT
  "$path" AS object,
  event_time_us - 60000000 - (event_time_us - 60000000) % 3600000000 AS earlier_us,
  event_time_us + 60000000 - (event_time_us + 60000000) % 3600000000 AS later_us
FROM delivered
WHERE kind IN ('ticker', 'trade') AND product_id IS NOT NULL AND trade_id IS NOT NULL
