# Builds the worker and libhakmem.so, and for each argument, a feature of hakmem, another library that
# has it: libhakmem-FEATURE.so. The engine starts it so, in the folder of ab.toml.
set -eu
made="${CARGO_TARGET_DIR:-target}/measure"
for feature in "$@"; do
    cargo build --quiet --profile measure --package hakmem-preload --features "hakmem/$feature"
    cp "$made/libhakmem.so" "$made/libhakmem-$feature.so"
done
# Last, so that the library without a name of its own is the one that ships.
cargo build --quiet --profile measure --package hakmem-programs --package hakmem-preload
