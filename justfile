# Everything that CI runs, in its order.
ci:
    bash .ci/run

# The README's test command.
test:
    cargo test --workspace

# The same tests, one process each.
nextest:
    cargo nextest run --workspace && cargo test --workspace --doc

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deny:
    cargo deny check bans licenses sources

# The GPU kernels on the first adapter that wgpu finds (Debian's mesa-vulkan-drivers is one in software).
gpu:
    cargo test -p burn-rsmamba-kernels --features gpu-tests --test gpu

# Accept changed snapshots after looking at them.
review:
    cargo insta review

# The scan against the machine's floor; see BENCHMARKS.md.
floor *args:
    cargo bench -p burn-rsmamba-kernels --bench floor -- {{args}}

demo task="ss":
    cargo run --release -p burn-rsmamba-cli -- train --task {{task}} --data demo --out runs/demo-{{task}} --force
