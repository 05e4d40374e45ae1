-- What is there to be judged beside trades: minutes that somebody testified to having watched, and polled prices?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :now_us instant, default the end
-- :settle_us duration, default 20m
-- Where there is neither, and no trade id was to be expected (slo.sql), no check has anything to contradict: that nothing was found proves nothing.
-- What was received within settle_us of now is not judged yet.
SELECT
  coalesce(sum(watched), 0) AS minutes,
  coalesce(sum(polled), 0) AS prices
FROM (
  SELECT count(DISTINCT product_id || ' ' || CAST(minute_us AS VARCHAR)) AS watched, 0 AS polled
  FROM (
    SELECT product_id, receive_time_us, date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', minute) * 1000 AS minute_us
    FROM coverage
    WHERE (:product IS NULL OR product_id = :product)
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
  ) AS minutes
  WHERE minute_us >= :from_us - 59999999 AND minute_us < :to_us AND receive_time_us < :now_us - :settle_us
  UNION ALL
  SELECT 0, count(*)
  FROM processed
  WHERE lake_kind IN ('spot', 'mixed') AND kind = 'spot'
    AND (:product IS NULL OR product_id = :product)
    AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    AND receive_time_us >= :from_us AND receive_time_us < :to_us AND receive_time_us < :now_us - :settle_us
) AS counted
