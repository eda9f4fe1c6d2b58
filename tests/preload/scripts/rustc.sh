# rustc: a library and a program that uses it, compiled by several threads, then run.
set -eu
rustc --edition 2021 --crate-type rlib --crate-name shapes -C opt-level=2 -C codegen-units=4 shapes.rs
rustc --edition 2021 -C opt-level=1 -C codegen-units=4 --extern shapes=libshapes.rlib use_shapes.rs -o use_shapes
./use_shapes
