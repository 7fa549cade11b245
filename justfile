# Everything that CI runs, in its order.
ci:
    bash .ci/run

# The README's test command.
test:
    cargo test --workspace

# The same tests, one process each.
nextest:
    cargo nextest run --workspace && cargo test --workspace --doc

# The readers' memory on scenes as large as WHU-CD's; writes 2 GB and takes minutes.
giant:
    cargo test --release -p burn-rsmamba-datasets --test memory -- --ignored --nocapture

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

deny:
    cargo deny check bans licenses sources

# Everything that runs on a GPU, on the first adapter found (Debian's mesa-vulkan-drivers is one in software).
gpu kind="wgpu":
    cargo test -p burn-rsmamba-kernels --features gpu-tests --test gpu
    cargo test -p burn-rsmamba-tests --features {{kind}} --test scan --test models --test launches
    cargo test -p burn-rsmamba-tests --features {{kind}} --test cli devices

# The scan against the GPU's floor; see BENCHMARKS.md.
gpu-bench kind="cuda" *args:
    cargo bench -p burn-rsmamba-tests --features {{kind}} --bench gpu -- {{args}}

# Accept changed snapshots after looking at them.
review:
    cargo insta review

# The scan against the machine's floor; see BENCHMARKS.md.
floor *args:
    cargo bench -p burn-rsmamba-kernels --bench floor -- {{args}}

demo task="ss":
    cargo run --release -p burn-rsmamba-cli -- train --task {{task}} --data demo --out runs/demo-{{task}} --force
