-- Which of these lines are rows of the lake?
-- :lines text, default none
-- :from_us instant, default the beginning
-- `lines` is text: SESSION/FIRST/LAST for the lines FIRST to LAST of a session, at most 10,000 (Trino's sequence has no more), with commas
-- between. None of them happened, or was received, before `from`.
SELECT DISTINCT processed.session, processed.n
FROM processed
JOIN (
  SELECT split_part(part, '/', 1) AS session, n
  FROM UNNEST(split(:lines, ',')) AS parts (part)
  CROSS JOIN UNNEST(sequence(CAST(split_part(part, '/', 2) AS BIGINT), CAST(split_part(part, '/', 3) AS BIGINT))) AS numbers (n)
) AS wanted ON processed.session = wanted.session AND processed.n = wanted.n
WHERE processed.kind <> 'refused'
