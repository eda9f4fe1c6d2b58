# Becomes the worker that `cargo build --profile measure --package hakmem-programs` has made, wherever
# cargo puts what it makes; the engine starts it so, in the folder of ab.toml.
exec "${CARGO_TARGET_DIR:-target}/measure/programs" "$@"
