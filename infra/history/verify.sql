-- Is an hour of history what its objects hold?
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :generation text, default none
-- One row of counts. Said otherwise than in hour.sql, from the rows as delivered: a trade all of whose copies near the hour happened in it must
-- be there, one with a copy outside may be; each once, and each as some copy of it was delivered.
WITH near AS (
  SELECT product_id, trade_id, session, n, event_time_us, price, last_size
  FROM uncompacted
  WHERE kind IN ('ticker', 'trade') AND product_id IS NOT NULL AND trade_id IS NOT NULL
    AND event_time_us >= :from_us - 60000000 AND event_time_us < :to_us + 60000000
), expected AS (
  SELECT
    product_id,
    trade_id,
    min(IF(event_time_us >= :from_us AND event_time_us < :to_us, 1, 0)) AS surely,
    max(IF(event_time_us >= :from_us AND event_time_us < :to_us, 1, 0)) AS perhaps
  FROM near
  GROUP BY product_id, trade_id
), written AS (
  SELECT product_id, trade_id, session, n, event_time_us, price, last_size
  FROM history
  WHERE generation = :generation
), ids AS (
  SELECT DISTINCT product_id, trade_id
  FROM written
)
SELECT
  (SELECT count(*) FROM near WHERE event_time_us >= :from_us AND event_time_us < :to_us) AS delivered,
  (SELECT count(*) FROM written) AS written_rows,
  (SELECT count(*) FROM ids) AS trades,
  (
    SELECT count(*)
    FROM expected AS e
    LEFT JOIN ids AS i ON i.product_id = e.product_id AND i.trade_id = e.trade_id
    WHERE e.surely = 1 AND i.trade_id IS NULL
  ) AS missing,
  (
    SELECT count(*)
    FROM ids AS i
    LEFT JOIN expected AS e ON e.product_id = i.product_id AND e.trade_id = i.trade_id AND e.perhaps = 1
    WHERE e.trade_id IS NULL
  ) AS unexpected,
  (
    SELECT count(*)
    FROM written AS w
    LEFT JOIN (
      SELECT DISTINCT product_id, trade_id, session, n, event_time_us, CAST(price AS DECIMAL(38, 18)) AS price, CAST(last_size AS DECIMAL(38, 18)) AS last_size
      FROM near
    ) AS d
      ON d.product_id = w.product_id AND d.trade_id = w.trade_id AND d.event_time_us = w.event_time_us
      AND d.session IS NOT DISTINCT FROM w.session AND d.n IS NOT DISTINCT FROM w.n
      AND d.price IS NOT DISTINCT FROM w.price AND d.last_size IS NOT DISTINCT FROM w.last_size
    WHERE d.trade_id IS NULL
  ) AS unlike
