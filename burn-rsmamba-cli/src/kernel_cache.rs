//! GPU kernels, kept from run to run.

/// Lets CubeCL keep the kernels that it compiles, and those that it found to be fastest, in the user's cache folder
/// (`~/.cache/cubecl` on Linux) in place of compiling and trying them out anew at every start.
///
/// A `cubecl.toml` in the working folder or above it may name another folder, or several environments. Where the folder cannot be
/// written, nothing is kept.
#[cfg(all(feature = "gpu", feature = "autotune"))]
pub(crate) fn keep_kernels() {
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    // By default a Cargo project has its own, which a program that is run there should not write into.
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    // A program around this library may have set it before.
    CubeClRuntimeConfig::try_set(config);
}

/// A build without such kernels has none to keep.
#[cfg(not(all(feature = "gpu", feature = "autotune")))]
pub(crate) fn keep_kernels() {}
