# Dictionaries, JSON, sorting, strings and objects that come and go.
import hashlib, json, random, re

draw = random.Random(7)


class Node:
    def __init__(self, key, value):
        self.key, self.value, self.children = key, value, []


records = [
    {"id": i, "name": f"item {draw.randrange(10**6)}", "tags": [f"t{draw.randrange(500)}" for _ in range(4)],
     "weight": draw.random(), "body": "x" * draw.randrange(200)}
    for i in range(12000)
]
text = json.dumps(records)
again = json.loads(text)
again.sort(key=lambda record: (record["name"], record["id"]))
by_tag = {}
for record in again:
    for tag in record["tags"]:
        by_tag.setdefault(tag, []).append(record["id"])
words = re.findall(r"[a-z]+ \d+", text)
counts = {}
for word in words:
    counts[word] = counts.get(word, 0) + 1
nodes = [Node(i, str(i)) for i in range(40000)]
for node in nodes[1:]:
    nodes[draw.randrange(node.key)].children.append(node)
depths, todo = {}, [(nodes[0], 0)]
while todo:
    node, depth = todo.pop()
    depths[depth] = depths.get(depth, 0) + 1
    todo.extend((child, depth + 1) for child in node.children)
digest = hashlib.sha256()
for tag in sorted(by_tag):
    digest.update(f"{tag} {by_tag[tag]}".encode())
digest.update(repr(sorted(counts.items())[:5000]).encode())
digest.update(repr(sorted(depths.items())).encode())
print(len(text), digest.hexdigest())
