-- A database in memory: a bulk load, indexes, a join, groups, deletions.
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
SELECT weight, count(*), length(group_concat(name, ',')) FROM item GROUP BY weight % 50;
SELECT count(*) FROM item JOIN part ON item.id = part.item WHERE item.weight > part.part;
SELECT count(*), max(name), min(name) FROM item WHERE name LIKE 'item 5%';
SELECT count(DISTINCT substr(name, 1, 8) || weight) FROM item;
DELETE FROM item WHERE id % 3 = 0;
SELECT count(*), sum(id) FROM item ORDER BY name;
