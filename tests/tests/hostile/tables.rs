//! `.safetensors` files: headers that claim much, overlap or nest, and descriptions of huge models.

use super::{Case, case, files::safetensors};
use burn_rsmamba::{ModelConfig, ModelMeta, Task};

pub(crate) fn cases() -> Vec<Case> {
    [lengths(), headers(), models()].concat()
}

/// Headers as long as they say they are not.
fn lengths() -> Vec<Case> {
    let claims = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    vec![
        case("all.safetensors", claims(u64::MAX), "no usable weights"),
        case("many.safetensors", claims(1 << 62), "no usable weights"),
        case("hundred.safetensors", claims(100_000_000), "no usable weights"),
        case("one.safetensors", claims(3), "no usable weights"),
        case("none.safetensors", claims(0), "no usable weights"),
        case("long.safetensors", safetensors(&format!("{{}}{}", " ".repeat(5 << 20)), 0), "no usable weights"),
        case("nothing.safetensors", safetensors("{}", 0), "not an RS-Mamba checkpoint"),
        case("more.safetensors", safetensors("{}", 1000), "do not agree"),
    ]
}

/// Headers whose entries cannot be.
fn headers() -> Vec<Case> {
    let entry = |name: &str, shape: &str, from: u64, to: u64| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}")
    };
    let one = |shape: &str, from, to, data| safetensors(&format!("{{{}}}", entry("x", shape, from, to)), data);
    let two = |first: String, second: String, data| safetensors(&format!("{{{first},{second}}}"), data);
    let long = "n".repeat(100_000);
    let zeros = format!("[{}0]", "0,".repeat(2_000_000));
    vec![
        case("negative.safetensors", one("[-1]", 0, 4, 4), "no usable weights"),
        case("product.safetensors", one("[4294967296,4294967296,4294967296]", 0, 4, 4), "no usable weights"),
        case("float.safetensors", one("[1.5]", 0, 4, 4), "no usable weights"),
        case("backwards.safetensors", one("[1]", 4, 0, 4), "no usable weights"),
        case("gap.safetensors", one("[1]", 4, 8, 8), "no usable weights"),
        case("outside.safetensors", one("[2]", 0, 8, 4), "no usable weights"),
        case("huge.safetensors", one("[4611686018427387903]", 0, 18_446_744_073_709_551_612, 4), "no usable weights"),
        case("overlap.safetensors", two(entry("x", "[2]", 0, 8), entry("y", "[2]", 4, 12), 12), "no usable weights"),
        case("same.safetensors", two(entry("x", "[1]", 0, 4), entry("y", "[1]", 0, 4), 4), "no usable weights"),
        case("twice.safetensors", two(entry("x", "[1]", 0, 4), entry("x", "[1]", 4, 8), 8), "no usable weights"),
        case("prefix.safetensors", two(entry("x", "[1]", 0, 4), entry("module.x", "[1]", 4, 8), 8), "`x` twice"),
        case("shape.safetensors", one(&zeros, 0, 0, 0), ""),
        case("nested.safetensors", safetensors(&format!("{{\"x\":{}", "[".repeat(4_000_000)), 0), "no usable weights"),
        case("texts.safetensors", safetensors("{\"__metadata__\":{\"a\":1}}", 0), "no usable weights"),
        case("line.safetensors", safetensors(&format!("{{{}}}", entry("a\\nb", "[1]", 0, 4)), 4), "is no name"),
        case("name.safetensors", safetensors(&format!("{{{}}}", entry(&long, "[1]", 0, 4)), 4), "is no name"),
    ]
}

/// Small files that describe huge models.
fn models() -> Vec<Case> {
    let mut config = ModelConfig::preset(Task::Cd, "tiny").expect("a preset");
    config.encoder.dims = [4096, 8192, 16384, 32768];
    config.encoder.depths = [128; 4];
    let meta = serde_json::to_string(&ModelMeta::new(config, "nowhere")).expect("JSON");
    let described =
        |meta: &str| safetensors(&serde_json::json!({ "__metadata__": { "burn-rsmamba": meta } }).to_string(), 0);
    // shapes that hold nothing, and give the same model
    let mut entries = serde_json::Map::new();
    let mut add = |name: String, shape: &[usize]| {
        entries.insert(name, serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [0, 0] }));
    };
    for (stage, width) in [4096, 8192, 16384, 32768].into_iter().enumerate() {
        for block in 0..128 {
            add(
                format!("encoder_block{}.blocks.{block}.norm.weight", stage + 1),
                &[width, 0][..=usize::from(block > 0)],
            );
        }
    }
    add("encoder_block1.blocks.0.op.x_proj_weight".to_owned(), &[8, 0, 8192]);
    add("encoder_block1.blocks.0.op.A_logs".to_owned(), &[0, 16]);
    add("encoder_block1.blocks.0.mlp.fc1.weight".to_owned(), &[16384, 0]);
    add("conv_out_seg.weight".to_owned(), &[1, 0, 7, 7]);
    add("patch_embed.0.weight".to_owned(), &[0, 3, 3, 3]);
    // four widths are all that has to be there
    let widths = [4096, 8192, 16384, 32768];
    let mut end = 0;
    for (stage, width) in widths.into_iter().enumerate() {
        let name = format!("encoder_block{}.blocks.0.norm.weight", stage + 1);
        entries.insert(
            name,
            serde_json::json!({ "dtype": "F32", "shape": [width], "data_offsets": [end, end + 4 * width] }),
        );
        end += 4 * width;
    }
    vec![
        case("described.safetensors", described(&meta), "not an RS-Mamba checkpoint"),
        case("deep.safetensors", described(&"[".repeat(1_000_000)), "not an RS-Mamba checkpoint"),
        case(
            "widths.safetensors",
            safetensors(&serde_json::Value::from(entries).to_string(), end),
            "describes a model of",
        ),
    ]
}
