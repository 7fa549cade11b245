mod autodiff;
#[cfg(feature = "cubecl-backend")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "fusion")]
pub(super) mod fusion;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "tch"))]
mod host;
#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "tch")]
mod tch;
