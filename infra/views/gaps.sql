-- Which holes in trade ids did the producer find, and what became of each?
-- One row per testimony line (session, n): a hole as found (status open), then the receipt of the attempt to fill it.
CREATE OR REPLACE VIEW gaps AS
SELECT
  product_id,
  TIMESTAMP '1970-01-01 00:00:00.000' + receive_time_us / 1000 * INTERVAL '0.001' SECOND AS receive_time,
  receive_time_us,
  json_extract_scalar(detail, '$.reason') AS reason,
  json_extract_scalar(detail, '$.status') AS status,
  CAST(json_extract_scalar(detail, '$.first_missing_trade_id') AS BIGINT) AS first_missing_trade_id,
  CAST(json_extract_scalar(detail, '$.last_missing_trade_id') AS BIGINT) AS last_missing_trade_id,
  CAST(json_extract_scalar(detail, '$.missing') AS BIGINT) AS missing,
  CAST(json_extract_scalar(detail, '$.fetched') AS BIGINT) AS fetched,
  json_format(json_extract(detail, '$.still_missing')) AS still_missing,
  json_extract_scalar(detail, '$.why') AS why,
  CAST(json_extract_scalar(detail, '$.before.trade_id') AS BIGINT) AS before_trade_id,
  CAST(substr(replace(replace(json_extract_scalar(detail, '$.before.event_time'), 'T', ' '), 'Z', ''), 1, 23) AS TIMESTAMP) AS before_time,
  CAST(json_extract_scalar(detail, '$.after.trade_id') AS BIGINT) AS after_trade_id,
  CAST(substr(replace(replace(json_extract_scalar(detail, '$.after.event_time'), 'T', ' '), 'Z', ''), 1, 23) AS TIMESTAMP) AS after_time,
  source,
  session,
  n,
  lake_kind,
  lake_hour
FROM (
  SELECT *, row_number() OVER (PARTITION BY session, n ORDER BY lake_hour, lake_kind) AS copy_rank
  FROM processed
  WHERE lake_kind IN ('gap', 'mixed') AND kind = 'gap'
) AS copies
WHERE copy_rank = 1
