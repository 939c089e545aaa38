# What people do often; `just --list` shows it.

# All that has to pass before a change goes in.
ci:
    .ci/run

# Every test, then a short sweep of the simulator.
test:
    tests/run

# The simulator: `just sim run --seed 7 --trace`.
sim *ARGS:
    cargo run --release -p sma-sim -- {{ARGS}}

# Fuzzes one target of `fuzz/`. Needs a nightly toolchain and cargo-fuzz.
fuzz TARGET *ARGS:
    cargo +nightly fuzz run {{TARGET}} {{ARGS}}
