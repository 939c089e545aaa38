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

# Fuzzes one target of `fuzz/` for a minute: `just fuzz wire`, `just fuzz world 600`. Needs a nightly toolchain and cargo-fuzz.
fuzz TARGET SECONDS="60":
    fuzz/run {{SECONDS}} {{TARGET}}

# Checks the models of the pairing with Verifpal.
proofs *MODELS:
    docs/proofs/run {{MODELS}}
