mod autodiff;
#[cfg(feature = "flex")]
mod flex;
