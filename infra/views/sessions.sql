-- Which producers ran, and what did each say when it opened and closed?
-- One row per testimony line (session, n); a session without a closing row is running, or was killed.
CREATE OR REPLACE VIEW sessions AS
SELECT
  session,
  n,
  json_extract_scalar(detail, '$.event') AS event,
  TIMESTAMP '1970-01-01 00:00:00.000' + receive_time_us / 1000 * INTERVAL '0.001' SECOND AS receive_time,
  receive_time_us,
  json_extract_scalar(detail, '$.version') AS version,
  json_extract_scalar(detail, '$.feed') AS feed,
  json_format(json_extract(detail, '$.products')) AS products,
  json_extract_scalar(detail, '$.why') AS why,
  CAST(json_extract_scalar(detail, '$.lines') AS BIGINT) AS lines,
  json_format(json_extract(detail, '$.by_kind')) AS by_kind,
  CAST(json_extract_scalar(detail, '$.delivered') AS BIGINT) AS delivered,
  CAST(json_extract_scalar(detail, '$.pending') AS BIGINT) AS pending,
  json_format(json_extract(detail, '$.refused')) AS refused,
  json_format(json_extract(detail, '$.frames')) AS frames,
  source,
  lake_kind,
  lake_hour
FROM (
  SELECT *, row_number() OVER (PARTITION BY session, n ORDER BY lake_hour, lake_kind) AS copy_rank
  FROM processed
  WHERE lake_kind IN ('session', 'mixed') AND kind = 'session'
) AS copies
WHERE copy_rank = 1
