//! What a pickle may name.

use burn::tensor::DType;

/// What a pickle may name.
#[derive(Clone, Copy)]
pub(super) enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Option<DType>),
    Other,
}

impl Name {
    /// By an allowlist, as PyTorch's `weights_only`: the rest would run code when Python opens the file.
    pub(super) fn new(module: &str, name: &str) -> Result<Self, String> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Some(DType::F32)),
            ("torch", "DoubleStorage") => Self::Storage(Some(DType::F64)),
            ("torch", "HalfStorage") => Self::Storage(Some(DType::F16)),
            ("torch", "BFloat16Storage") => Self::Storage(Some(DType::BF16)),
            ("torch", storage) if storage.ends_with("Storage") => Self::Storage(None),
            // counters, devices and scores that training scripts put beside the weights
            ("collections", "Counter" | "defaultdict")
            | ("torch", "Size" | "device")
            | ("torch.serialization", "_get_layout")
            | ("numpy", "dtype")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar")
            | ("_codecs", "encode") => Self::Other,
            _ => {
                return Err(format!(
                    "its pickle calls `{module}.{name}`, which weights do not need and which can run code where Python opens it; \
                     save the model's `state_dict()` alone"
                ));
            }
        })
    }
}
