-- Which minutes of which products were watched, and what was seen in them?
-- One row per testimony line (session, n): a product's minute has one from each producer that watched it.
CREATE OR REPLACE VIEW coverage AS
SELECT
  product_id,
  CAST(substr(replace(replace(json_extract_scalar(detail, '$.minute'), 'T', ' '), 'Z', ''), 1, 23) AS TIMESTAMP) AS minute,
  CAST(json_extract_scalar(detail, '$.ticks') AS BIGINT) AS ticks,
  CAST(json_extract_scalar(detail, '$.first_trade_id') AS BIGINT) AS first_trade_id,
  CAST(json_extract_scalar(detail, '$.last_trade_id') AS BIGINT) AS last_trade_id,
  CAST(json_extract_scalar(detail, '$.longest_silence_ms') AS BIGINT) AS longest_silence_ms,
  json_format(json_extract(detail, '$.watched_ms')) AS watched_ms,
  CAST(json_extract_scalar(detail, '$.heartbeats') AS BIGINT) AS heartbeats,
  json_extract_scalar(detail, '$.whole') = 'true' AS whole,
  TIMESTAMP '1970-01-01 00:00:00.000' + receive_time_us / 1000 * INTERVAL '0.001' SECOND AS receive_time,
  receive_time_us,
  source,
  session,
  n,
  lake_kind,
  lake_hour
FROM (
  SELECT *, row_number() OVER (PARTITION BY session, n ORDER BY lake_hour, lake_kind) AS copy_rank
  FROM processed
  WHERE lake_kind IN ('coverage', 'mixed') AND kind = 'coverage'
) AS copies
WHERE copy_rank = 1
