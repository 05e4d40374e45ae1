-- Which lines were refused, why, and what did each say?
-- One row per line of an error object, and per row of kind refused (a bad line inside a pack that Firehose did not divide). `reason` is
-- what the line's own row or testimony says; else, at home, what today's transform says of it (table errors, column verdict: empty text
-- for a line that passes today); else Firehose's error code, which for a line the transform refused is only Lambda.ProcessingFailedStatus.
CREATE OR REPLACE VIEW refusals AS
SELECT
  error_type,
  error_code,
  error_message,
  attempts,
  TIMESTAMP '1970-01-01 00:00:00.000' + arrival_ms * INTERVAL '0.001' SECOND AS arrival_time,
  TIMESTAMP '1970-01-01 00:00:00.000' + ended_ms * INTERVAL '0.001' SECOND AS ended_time,
  coalesce(
    said_reason,
    IF(json_extract_scalar(message, '$.kind') = 'unreadable', json_extract_scalar(message, '$.message.reason'), NULL),
    nullif(verdict, ''),
    error_code
  ) AS reason,
  verdict = '' AS passes_today,
  said_detail AS detail,
  coalesce(row_session, json_extract_scalar(message, '$.session')) AS session,
  coalesce(row_n, TRY_CAST(json_extract_scalar(message, '$.n') AS BIGINT)) AS n,
  json_extract_scalar(message, '$.kind') AS kind,
  line,
  lake_hour
FROM (
  SELECT *, IF(TRY(json_parse(line)) IS NULL, NULL, line) AS message
  FROM (
    SELECT
      e.error_type, e.error_code, e.error_message, e.attempts, e.arrival_ms, e.ended_ms,
      CAST(NULL AS VARCHAR) AS said_reason, CAST(NULL AS VARCHAR) AS said_detail,
      CAST(NULL AS VARCHAR) AS row_session, CAST(NULL AS BIGINT) AS row_n,
      l.line, element_at(split(e.verdict, chr(10)), l.position) AS verdict, e.lake_hour
    FROM (
      SELECT
        error_type, lake_hour, verdict,
        coalesce(
          json_extract_scalar(whole, '$.errorCode'), json_extract_scalar(whole, '$.lastErrorCode'), json_extract_scalar(whole, '$.ErrorCode')
        ) AS error_code,
        coalesce(
          json_extract_scalar(whole, '$.errorMessage'), json_extract_scalar(whole, '$.lastErrorMessage'), json_extract_scalar(whole, '$.ErrorMessage')
        ) AS error_message,
        TRY_CAST(json_extract_scalar(whole, '$.attemptsMade') AS BIGINT) AS attempts,
        TRY_CAST(json_extract_scalar(whole, '$.arrivalTimestamp') AS BIGINT) AS arrival_ms,
        TRY_CAST(json_extract_scalar(whole, '$.attemptEndingTimestamp') AS BIGINT) AS ended_ms,
        coalesce(regexp_replace(from_utf8(TRY(from_base64(json_extract_scalar(whole, '$.rawData')))), '\n\z', ''), '') AS text
      FROM (
        SELECT error_type, lake_hour, verdict, IF(TRY(json_parse(envelope)) IS NULL, NULL, envelope) AS whole
        FROM errors
      ) AS envelopes
    ) AS e
    CROSS JOIN UNNEST(split(e.text, chr(10))) WITH ORDINALITY AS l (line, position)
    UNION ALL
    SELECT
      'row', CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
      json_extract_scalar(detail, '$.reason'), json_extract_scalar(detail, '$.detail'),
      session, n,
      coalesce(json_extract_scalar(detail, '$.line'), from_utf8(from_base64(json_extract_scalar(detail, '$.line_base64')))),
      CAST(NULL AS VARCHAR),
      lake_hour
    FROM processed
    WHERE lake_kind = 'mixed' AND kind = 'refused'
  ) AS lines
) AS messages
