# node: a garbage collector on top, buffers outside its heap, worker threads, zlib.
exec node work.js
