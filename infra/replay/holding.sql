-- Which objects hold rows of these lines?
-- Of every object, those that count and others, and each session in it: the first and the last line. Athena is asked of the lines that a
-- replay reads from raw/, by session and number (sql/replays.py adds them); "$path" is the object's own name.
SELECT "$path" AS object, session, min(n) AS first_n, max(n) AS last_n
FROM delivered
WHERE session IS NOT NULL AND n IS NOT NULL
GROUP BY "$path", session
