mod autodiff;
#[cfg(feature = "cubecl-backend")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "fusion")]
pub(super) mod fusion;
