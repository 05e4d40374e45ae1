-- How many objects does each hour hold, and how large are they?
-- :from_us instant, default the beginning
-- :to_us instant, default the end
-- By the first folder of the key (raw, processed, errors, history, compacted). On Athena as first listed by an audit, at home as they are now.
-- Hours are those of keys, whole ones. The median is by nearest rank, so it is the size of an object.
SELECT
  folder,
  hour,
  count(*) AS objects,
  CAST(sum(size_bytes) AS BIGINT) AS total_bytes,
  min(size_bytes) AS smallest_bytes,
  min(IF(place * 2 >= objects_of_hour, size_bytes, NULL)) AS median_bytes,
  max(size_bytes) AS largest_bytes
FROM (
  SELECT
    folder,
    hour,
    size_bytes,
    row_number() OVER (PARTITION BY folder, hour ORDER BY size_bytes) AS place,
    count(*) OVER (PARTITION BY folder, hour) AS objects_of_hour
  FROM (
    SELECT
      regexp_extract(key, '^([a-z]+)/', 1) AS folder,
      regexp_extract(key, '/([0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2})/[^/]+$', 1) AS hour,
      size_bytes
    FROM objects
  ) AS keys
  WHERE hour >= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :from_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
    AND hour <= date_format(TIMESTAMP '1970-01-01 00:00:00.000' + :to_us / 1000 * INTERVAL '0.001' SECOND, '%Y/%m/%d/%H')
) AS ranked
GROUP BY folder, hour
ORDER BY folder, hour
