# sqlite3: a bulk load, indexes, joins, a check of the file, a dump.
set -eu
sqlite3 -init /dev/null -batch data.db <<'SQL'
PRAGMA journal_mode = MEMORY;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, weight INTEGER, body BLOB);
CREATE TABLE part (item INTEGER, part INTEGER, PRIMARY KEY (item, part)) WITHOUT ROWID;
BEGIN;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, printf('item %d', i * 7919 % 60013), i * 31 % 1009, zeroblob(i % 400) FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000)
INSERT OR IGNORE INTO part SELECT i * 17 % 60000, i % 300 FROM n;
COMMIT;
CREATE INDEX by_name ON item (name);
CREATE INDEX by_weight ON item (weight, id);
SELECT count(*), sum(weight), sum(length(body)) FROM item;
SELECT weight, count(*), group_concat(name, ',') FROM item WHERE weight < 3 GROUP BY weight;
SELECT count(*) FROM item JOIN part ON item.id = part.item WHERE item.weight > part.part;
SELECT max(name), min(name) FROM item WHERE name LIKE 'item 5%';
DELETE FROM item WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;
ANALYZE;
SQL
sqlite3 -init /dev/null -batch data.db .dump | md5sum
md5sum data.db
