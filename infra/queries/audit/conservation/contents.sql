-- Does each row say what its line said?
-- :product text, default every product
-- :from_us instant, default the beginning (reads every hour)
-- :to_us instant, default the end
-- :reach_us duration, default 7d
-- :late_us duration, default 7d
-- A row is compared with its line in raw/, and with the line's other rows: each such line that disagrees is damage, for copies of a line are
-- identical. First by digest: a row of the websocket's ticker or of our testimony gives its line anew, byte for byte. Lines that differ in
-- that (REST writes trades otherwise, and so may Coinbase tomorrow) are compared field by field. Which lines and rows are read: as in lines.sql.
WITH differing AS (
  SELECT session, n
  FROM (
    SELECT session, n, md5(to_utf8(line)) AS sent, CAST(NULL AS VARBINARY) AS landed, 0 AS is_row
    FROM (
    SELECT
      substr(line, 19, 26) AS session, TRY_CAST(substr(line, 51, strpos(substr(line, 51, 20), ',') - 1) AS BIGINT) AS n, line
    FROM raw
    WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:to_us + :late_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND regexp_like(line, '^\{"v":1,"session":"[0-9A-Z]{26}","n":[0-9]+,"kind":"[a-z]+","source":"[a-z_]+","receive_time":"')
    ) AS sent_lines
    UNION ALL
    SELECT session, n, NULL, coalesce(md5(to_utf8(
      '{"v":1,"session":"' || session || '","n":' || CAST(n AS VARCHAR) || ',"kind":"' || kind || '","source":"' || source || '","receive_time":"'
      || date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (receive_time_us - receive_time_us % 1000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H:%i:%s') || '.' || lpad(CAST(receive_time_us % 1000000 AS VARCHAR), 6, '0') || 'Z' || '","message":'
      || IF(
        kind = 'ticker',
        '{"type":"ticker","sequence":' || CAST(sequence AS VARCHAR) || ',"product_id":"' || product_id || '","price":"' || price
        || '","open_24h":"' || open_24h || '","volume_24h":"' || volume_24h || '","low_24h":"' || low_24h || '","high_24h":"' || high_24h
        || '","volume_30d":"' || volume_30d || '","best_bid":"' || best_bid || '","best_bid_size":"' || best_bid_size
        || '","best_ask":"' || best_ask || '","best_ask_size":"' || best_ask_size || '","side":"' || taker_side
        || '","time":"' || date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (event_time_us - event_time_us % 1000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H:%i:%s') || '.' || lpad(CAST(event_time_us % 1000000 AS VARCHAR), 6, '0') || 'Z' || '","trade_id":' || CAST(trade_id AS VARCHAR) || ',"last_size":"' || last_size || '"}',
        detail
      ) || '}'
    )), md5(to_utf8('?'))), 1
    FROM processed
    WHERE session IS NOT NULL AND n IS NOT NULL AND kind <> 'refused'
      AND receive_time_us >= :from_us AND receive_time_us < :to_us
      AND (
        lake_kind <> 'trade'
        AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
        OR lake_kind = 'trade'
        AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      )
  ) AS digests
  GROUP BY session, n
  HAVING sum(is_row) > 0
    AND (min(landed) <> max(landed) OR min(landed) <> min(sent) OR max(sent) <> min(sent) OR min(landed) = md5(to_utf8('?')))
),
facts AS (
  SELECT
    session, n, 1 AS is_sent, NULL AS at_us,
    coalesce(
      json_extract_scalar(message, '$.message.product_id'), json_extract_scalar(message, '$.product_id'),
      json_extract_scalar(message, '$.message.data.base') || '-' || json_extract_scalar(message, '$.message.data.currency'), ''
    ) AS product_id,
    coalesce(IF(kind IN ('ticker', 'trade'), substr(json_extract_scalar(message, '$.message.time'), 1, 19) || '.' || rpad(substr(replace(substr(json_extract_scalar(message, '$.message.time'), 21), 'Z', ''), 1, 6), 6, '0') || 'Z', NULL), '') AS event_time,
    coalesce(IF(kind IN ('ticker', 'trade'), json_extract_scalar(message, '$.message.trade_id'), NULL), '') AS trade_id,
    coalesce(json_extract_scalar(message, '$.message.price'), json_extract_scalar(message, '$.message.data.amount'), '') AS price,
    coalesce(json_extract_scalar(message, '$.message.last_size'), IF(kind IN ('ticker', 'trade'), json_extract_scalar(message, '$.message.size'), NULL), '') AS last_size,
    CASE
      WHEN kind = 'ticker' THEN coalesce(json_extract_scalar(message, '$.message.side'), '')
      WHEN kind = 'trade' THEN IF(json_extract_scalar(message, '$.message.side') = 'sell', 'buy', 'sell')
      ELSE ''
    END AS taker_side,
    IF(kind = 'ticker', coalesce(json_extract_scalar(message, '$.message.sequence'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.best_bid'), json_extract_scalar(message, '$.message.bid'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.best_bid_size'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.best_ask'), json_extract_scalar(message, '$.message.ask'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.best_ask_size'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.open_24h'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.high_24h'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.low_24h'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.volume_24h'), json_extract_scalar(message, '$.message.volume'), '') || '|' || coalesce(json_extract_scalar(message, '$.message.volume_30d'), ''), '') AS others,
    IF(kind IN ('gap', 'coverage', 'session'), substr(line, strpos(line, '"message":') + 10, length(line) - strpos(line, '"message":') - 10), '') AS detail,
    kind || '|' || json_extract_scalar(message, '$.source') || '|' || json_extract_scalar(message, '$.receive_time') AS envelope
  FROM (
    SELECT *, json_extract_scalar(message, '$.kind') AS kind
    FROM (
      SELECT s.session, s.n, s.line, IF(TRY(json_parse(s.line)) IS NULL, NULL, s.line) AS message
      FROM (
    SELECT
      substr(line, 19, 26) AS session, TRY_CAST(substr(line, 51, strpos(substr(line, 51, 20), ',') - 1) AS BIGINT) AS n, line
    FROM raw
    WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 3600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:to_us + :late_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      AND regexp_like(line, '^\{"v":1,"session":"[0-9A-Z]{26}","n":[0-9]+,"kind":"[a-z]+","source":"[a-z_]+","receive_time":"')
      ) AS s
      JOIN differing AS d ON d.session = s.session AND d.n = s.n
    ) AS texts
  ) AS parsed
  UNION ALL
  SELECT
    session, n, 0, receive_time_us,
    coalesce(product_id, ''),
    coalesce(IF(kind IN ('ticker', 'trade'), date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (event_time_us - event_time_us % 1000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H:%i:%s') || '.' || lpad(CAST(event_time_us % 1000000 AS VARCHAR), 6, '0') || 'Z', NULL), ''),
    coalesce(IF(kind IN ('ticker', 'trade'), CAST(trade_id AS VARCHAR), NULL), ''),
    coalesce(price, ''),
    coalesce(last_size, ''),
    coalesce(taker_side, ''),
    IF(kind = 'ticker', coalesce(CAST(sequence AS VARCHAR), '') || '|' || coalesce(best_bid, '') || '|' || coalesce(best_bid_size, '') || '|' || coalesce(best_ask, '') || '|' || coalesce(best_ask_size, '') || '|' || coalesce(open_24h, '') || '|' || coalesce(high_24h, '') || '|' || coalesce(low_24h, '') || '|' || coalesce(volume_24h, '') || '|' || coalesce(volume_30d, ''), ''),
    coalesce(detail, ''),
    kind || '|' || source || '|' || date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (receive_time_us - receive_time_us % 1000000) / 1000 * INTERVAL '0.001' SECOND, '%Y-%m-%dT%H:%i:%s') || '.' || lpad(CAST(receive_time_us % 1000000 AS VARCHAR), 6, '0') || 'Z'
  FROM (
    SELECT p.*
    FROM processed AS p
    JOIN differing AS d ON d.session = p.session AND d.n = p.n
  ) AS rows_of_them
  WHERE session IS NOT NULL AND n IS NOT NULL AND kind <> 'refused'
    AND receive_time_us >= :from_us AND receive_time_us < :to_us
    AND (
      lake_kind <> 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - 93600000000) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
      OR lake_kind = 'trade'
      AND lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + (:from_us - :reach_us) / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    )
),
lines AS (
  SELECT
    session, n, max(at_us) AS at_us, max(is_sent) AS is_sent,
    min(product_id) AS low_product_id, max(product_id) AS high_product_id, max(IF(is_sent = 1, product_id, NULL)) AS raw_product_id,
    min(event_time) AS low_event_time, max(event_time) AS high_event_time, max(IF(is_sent = 1, event_time, NULL)) AS raw_event_time,
    min(trade_id) AS low_trade_id, max(trade_id) AS high_trade_id, max(IF(is_sent = 1, trade_id, NULL)) AS raw_trade_id,
    min(price) AS low_price, max(price) AS high_price, max(IF(is_sent = 1, price, NULL)) AS raw_price,
    min(last_size) AS low_last_size, max(last_size) AS high_last_size, max(IF(is_sent = 1, last_size, NULL)) AS raw_last_size,
    min(taker_side) AS low_taker_side, max(taker_side) AS high_taker_side, max(IF(is_sent = 1, taker_side, NULL)) AS raw_taker_side,
    min(others) AS low_others, max(others) AS high_others, max(IF(is_sent = 1, others, NULL)) AS raw_others,
    min(detail) AS low_detail, max(detail) AS high_detail, max(IF(is_sent = 1, detail, NULL)) AS raw_detail,
    min(envelope) AS low_envelope, max(envelope) AS high_envelope, max(IF(is_sent = 1, envelope, NULL)) AS raw_envelope,
    count(*) AS told
  FROM facts
  GROUP BY session, n
)
SELECT
  'damage' AS severity,
  IF(low_product_id = '', high_product_id, low_product_id) AS product_id,
  session,
  at_us AS first_us,
  at_us AS last_us,
  n AS first_id,
  n AS last_id,
  1 AS amount,
  IF(is_sent = 1, 'a row is not as its line was sent: ', 'rows of one line are not the same: ') || substr(
    IF(low_product_id <> high_product_id, '; product ' || IF(is_sent = 1, raw_product_id || ' in raw/, ' || IF(low_product_id = raw_product_id, high_product_id, low_product_id) || ' in the row', low_product_id || ' or ' || high_product_id), '')
    || IF(low_event_time <> high_event_time, '; time ' || IF(is_sent = 1, raw_event_time || ' in raw/, ' || IF(low_event_time = raw_event_time, high_event_time, low_event_time) || ' in the row', low_event_time || ' or ' || high_event_time), '')
    || IF(low_trade_id <> high_trade_id, '; trade id ' || IF(is_sent = 1, raw_trade_id || ' in raw/, ' || IF(low_trade_id = raw_trade_id, high_trade_id, low_trade_id) || ' in the row', low_trade_id || ' or ' || high_trade_id), '')
    || IF(low_price <> high_price, '; price ' || IF(is_sent = 1, raw_price || ' in raw/, ' || IF(low_price = raw_price, high_price, low_price) || ' in the row', low_price || ' or ' || high_price), '')
    || IF(low_last_size <> high_last_size, '; size ' || IF(is_sent = 1, raw_last_size || ' in raw/, ' || IF(low_last_size = raw_last_size, high_last_size, low_last_size) || ' in the row', low_last_size || ' or ' || high_last_size), '')
    || IF(low_taker_side <> high_taker_side, '; taker ' || IF(is_sent = 1, raw_taker_side || ' in raw/, ' || IF(low_taker_side = raw_taker_side, high_taker_side, low_taker_side) || ' in the row', low_taker_side || ' or ' || high_taker_side), '')
    || IF(low_others <> high_others, '; book and day', '')
    || IF(low_detail <> high_detail, '; testimony', '')
    || IF(low_envelope <> high_envelope, '; envelope', ''), 3
  ) AS what
FROM lines
WHERE (low_product_id <> high_product_id
  OR low_event_time <> high_event_time
  OR low_trade_id <> high_trade_id
  OR low_price <> high_price
  OR low_last_size <> high_last_size
  OR low_taker_side <> high_taker_side
  OR low_others <> high_others
  OR low_detail <> high_detail
  OR low_envelope <> high_envelope)
  AND (:product IS NULL OR low_product_id = :product OR high_product_id = :product)
