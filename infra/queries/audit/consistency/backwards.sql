-- Where do a product's times or sequence numbers run against its trade ids?
-- :product text, default every product
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :tolerance_us duration, default 1s
-- Coinbase numbers a product's trades in the order they happen: in 153,111 recorded ticks neither time nor sequence ever went back.
-- Each finding names the two trades between which it did; which of them is wrong it cannot know. A healed trade has no sequence, and is
-- passed over there. Of the rows as delivered: copies of a trade stand side by side and are no step.
SELECT
  'warning' AS severity,
  product_id,
  CAST(NULL AS VARCHAR) AS session,
  least(event_time_us, previous_us) AS first_us,
  greatest(event_time_us, previous_us) AS last_us,
  previous_id AS first_id,
  trade_id AS last_id,
  CAST(1 AS BIGINT) AS amount,
  IF(
    turn = 'time',
    'time runs back by ' || CAST(CAST(CAST(previous_us - event_time_us AS DOUBLE) / 1000000 AS DECIMAL(38, 3)) AS VARCHAR) || ' s',
    'the sequence goes from ' || CAST(previous_sequence AS VARCHAR) || ' to ' || CAST(sequence AS VARCHAR)
  ) || ' between two trades whose ids rise' AS what
FROM (
  SELECT product_id, trade_id, event_time_us, sequence, previous_id, previous_us, previous_sequence, turn
  FROM (
    SELECT
      product_id, trade_id, event_time_us, sequence,
      lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, event_time_us, n) AS previous_id,
      lag(event_time_us) OVER (PARTITION BY product_id ORDER BY trade_id, event_time_us, n) AS previous_us,
      CAST(NULL AS BIGINT) AS previous_sequence,
      'time' AS turn
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
      AND (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
  ) AS times
  WHERE previous_id < trade_id AND previous_us - event_time_us > :tolerance_us
  UNION ALL
  SELECT product_id, trade_id, event_time_us, sequence, previous_id, previous_us, previous_sequence, turn
  FROM (
    SELECT
      product_id, trade_id, event_time_us, sequence,
      lag(trade_id) OVER (PARTITION BY product_id ORDER BY trade_id, sequence, n) AS previous_id,
      lag(event_time_us) OVER (PARTITION BY product_id ORDER BY trade_id, sequence, n) AS previous_us,
      lag(sequence) OVER (PARTITION BY product_id ORDER BY trade_id, sequence, n) AS previous_sequence,
      'sequence' AS turn
    FROM processed
    WHERE lake_kind IN ('ticker', 'trade', 'mixed') AND kind IN ('ticker', 'trade') AND trade_id IS NOT NULL
      AND (:product IS NULL OR product_id = :product)
      AND event_time_us >= :from_us AND event_time_us < :to_us
      AND sequence IS NOT NULL
  ) AS sequences
  WHERE previous_id < trade_id AND previous_sequence >= sequence
) AS turns
