// What scripts/node.sh runs: churn in node's heap and outside it, on four threads.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');

function churn(seed) {
    const hash = crypto.createHash('sha256');
    let kept = [];
    for (let round = 0; round < 300; round++) {
        const size = (round * seed * 7919) % 200000;
        const bytes = Buffer.alloc(size, round % 251);
        const packed = zlib.deflateSync(bytes, { level: 1 });
        hash.update(zlib.inflateSync(packed).subarray(0, 1000));
        kept.push(bytes, packed, { text: 'x'.repeat(size % 5000), list: Array(size % 500).fill(round) });
        if (kept.length > 120) kept = kept.slice(60);
    }
    hash.update(JSON.stringify(kept.slice(-3)));
    return hash.digest('hex');
}

if (isMainThread) {
    const results = new Map();
    for (const seed of [1, 2, 3, 4]) {
        const worker = new Worker(__filename, { workerData: seed });
        worker.on('message', (digest) => results.set(seed, digest));
    }
    process.on('exit', () => {
        for (const seed of [...results.keys()].sort()) console.log(seed, results.get(seed));
        console.log(churn(5));
    });
} else {
    parentPort.postMessage(churn(workerData));
}
