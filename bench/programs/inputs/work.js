// Objects, maps, JSON, strings, sorting, and buffers outside of V8's heap.
"use strict";
let state = 7;
const draw = (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
};
const records = [];
for (let id = 0; id < 20000; id++) {
    records.push({ id, name: `item ${draw(100000)}`, tags: [draw(500), draw(500)], body: "x".repeat(draw(100)) });
}
const text = JSON.stringify(records);
const again = JSON.parse(text);
again.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
const byTag = new Map();
for (const record of again) {
    for (const tag of record.tags) {
        if (!byTag.has(tag)) byTag.set(tag, []);
        byTag.get(tag).push(record.id);
    }
}
const { createHash } = require("node:crypto");
const { deflateSync } = require("node:zlib");
const digest = createHash("sha256");
for (let n = 0; n < 4000; n++) {
    const buffer = Buffer.allocUnsafeSlow(1 + draw(30000)).fill(n & 255);
    digest.update(buffer.subarray(0, 100));
}
for (let n = 0; n < 60; n++) {
    const at = draw(text.length - 20000);
    digest.update(String(deflateSync(text.slice(at, at + 20000)).length));
}
for (const [tag, ids] of [...byTag].sort((a, b) => a[0] - b[0])) digest.update(`${tag} ${ids}`);
console.log(text.length, digest.digest("hex"));
