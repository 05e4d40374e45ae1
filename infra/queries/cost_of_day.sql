-- What did the last days cost, at list prices?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- :linger_us duration, default 5s
-- :firehose_ingest_gb number, default 0.029
-- :firehose_conversion_gb number, default 0.018
-- :firehose_partitioning_gb number, default 0.020
-- :firehose_partitioning_object number, default 0.000005
-- :lambda_request number, default 0.0000002
-- :lambda_gb_second number, default 0.0000133334
-- :s3_put number, default 0.000005
-- :s3_gb_month number, default 0.023
-- :kms_request number, default 0.000003
-- The newest day first; days are those of raw/, whole ones, in UTC. Prices are those of infra/prices.yaml, which says their date and which nobody compared.
-- Where a pack ended is not in the lake: lines of one session received within one linger are taken as one pack, 500 at most, rounded up to 5 KB
-- as Firehose bills. Lambda's calls are full buffers or one a minute, its time 20 us a line and 0.5 GB, KMS one request an object.
-- Not in it: the producer, CloudWatch, questions, and the audit's own.
SELECT
  day,
  item,
  CAST(amount AS DECIMAL(38, 18)) AS amount,
  unit,
  CAST(amount * price AS DECIMAL(38, 18)) AS cost
FROM (
  SELECT
    day,
    place,
    item,
    unit,
    CAST(CAST(CAST(CASE place
      WHEN 4 THEN processed_objects WHEN 5 THEN greatest(full_buffers, minutes) WHEN 7 THEN objects WHEN 8 THEN objects
      WHEN 6 THEN lines WHEN 9 THEN stored_bytes ELSE billed_bytes
    END AS DECIMAL(38, 18)) / CAST(units AS DECIMAL(12, 0)) AS DECIMAL(38, 18)) AS DECIMAL(28, 10)) AS amount,
    CAST(price AS DECIMAL(10, 10)) AS price
  FROM (
    SELECT
      day,
      sum(line_count) AS lines,
      sum(pack_bytes + 5119 - (pack_bytes + 5119) % 5120) AS billed_bytes,
      CAST(ceil(CAST(sum(pack_bytes) AS DOUBLE) / 1048576) AS BIGINT) AS full_buffers,
      count(DISTINCT minute) AS minutes
    FROM (
      SELECT day, session, started_us, filled, min(minute) AS minute, count(*) AS line_count, sum(line_bytes) AS pack_bytes
      FROM (
        SELECT
          day,
          session,
          minute,
          line_bytes,
          started_us,
          row_number() OVER (PARTITION BY day, session, started_us ORDER BY n) - 1
          - (row_number() OVER (PARTITION BY day, session, started_us ORDER BY n) - 1) % 500 AS filled
        FROM (
          SELECT
            day,
            session,
            n,
            substr(receive_text, 1, 16) AS minute,
            line_bytes,
            receive_ms * 1000 - receive_ms * 1000 % :linger_us AS started_us
          FROM (
            SELECT
              day,
              session,
              n,
              line_bytes,
              receive_text,
              date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', CAST(substr(replace(replace(receive_text, 'T', ' '), 'Z', ''), 1, 23) AS TIMESTAMP)) AS receive_ms
            FROM (
              SELECT
                substr(lake_hour, 1, 10) AS day,
                json_extract_scalar(line, '$.session') AS session,
                CAST(json_extract_scalar(line, '$.n') AS BIGINT) AS n,
                json_extract_scalar(line, '$.receive_time') AS receive_text,
                length(to_utf8(line)) + 1 AS line_bytes
              FROM raw
              WHERE lake_hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/00')
                AND lake_hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/23')
            ) AS lines
          ) AS instants
        ) AS windows
      ) AS numbered
      GROUP BY day, session, started_us, filled
    ) AS packs
    GROUP BY day
  ) AS days
  LEFT JOIN (
    SELECT
      regexp_extract(key, '/([0-9]{4}/[0-9]{2}/[0-9]{2})/[0-9]{2}/[^/]+$', 1) AS stored_day,
      count(*) AS objects,
      count(*) FILTER (WHERE key LIKE 'processed/%') AS processed_objects,
      sum(size_bytes) AS stored_bytes
    FROM objects
    GROUP BY 1
  ) AS stored ON stored_day = day
  CROSS JOIN (
    VALUES
    (1, 'Firehose ingest', 'GB', 1073741824, :firehose_ingest_gb),
    (2, 'Firehose conversion', 'GB', 1073741824, :firehose_conversion_gb),
    (3, 'Firehose partitioning', 'GB', 1073741824, :firehose_partitioning_gb),
    (4, 'Firehose partitioning', 'objects', 1, :firehose_partitioning_object),
    (5, 'Lambda requests', 'calls', 1, :lambda_request),
    (6, 'Lambda time', 'GB-seconds', 100000, :lambda_gb_second),
    (7, 'S3 PUT requests', 'objects', 1, :s3_put),
    (8, 'KMS requests', 'requests', 1, :kms_request),
    (9, 'S3 storage', 'GB-months', 1073741824, :s3_gb_month)
  ) AS items (place, item, unit, units, price)
) AS priced
ORDER BY day DESC, place
