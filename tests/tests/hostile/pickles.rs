//! `.pth` files: pickles that would run programs or fill memory, tensors that lie elsewhere, zips that unfold.

use super::{
    Case, case,
    files::{Pickle, pth, zip},
};
use std::path::Path;

pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    [programs(folder), growth(), tensors(), zips(), ends()].concat()
}

/// Pickles that call what no weights need.
fn programs(folder: &Path) -> Vec<Case> {
    let command = format!("touch '{}'", folder.join("ran").display());
    let call = |module: &str, name: &str| Pickle::new().global(module, name).text(&command).code(b"\x85R.");
    // beside a tensor that is in order, as attributes, and by the opcodes of later protocols
    let good = Pickle::new().code(b"}").text("patch_embed.0.weight").tensor("0", 0, &[1], &[1]).code(b"s");
    let beside = good.clone().text("x").global("os", "system").text(&command).code(b"\x85Rs.");
    let state = good.code(b"}").text("__setstate__").global("builtins", "eval").code(b"sb.");
    let by_stack = Pickle::new().text("os").text("system").code(b"\x93").text(&command).code(b"\x85R.");
    let instance = Pickle::new().code(b"(").text(&command).code(b"ios\nsystem\n.");
    vec![
        case("system.pth", pth(&call("posix", "system"), 4), "calls `posix.system`"),
        case("popen.pth", pth(&call("subprocess", "Popen"), 4), "calls `subprocess.Popen`"),
        case("load.pth", pth(&call("torch", "load"), 4), "calls `torch.load`"),
        case("hub.pth", pth(&call("torch.hub", "load"), 4), "calls `torch.hub.load`"),
        case("beside.pth", pth(&beside, 4), "calls `os.system`"),
        case("state.pth", pth(&state, 4), "calls `builtins.eval`"),
        case("stack.pth", pth(&by_stack, 4), "opcode 0x93"),
        case("instance.pth", pth(&instance, 4), "opcode 0x69"),
        case("bare.pth", call("posix", "system").0, "bare pickle"),
        case("string.pth", pth(&Pickle::new().text("posix").code(b"R."), 4), "where there is none"),
    ]
}

/// Few bytes that ask for much memory or time.
fn growth() -> Vec<Case> {
    let bytes = |opcodes: &[u8], times: usize| Pickle::new().code(&opcodes.repeat(times));
    // each tuple holds the one before twice
    let laughs = (1..=200_u8).fold(Pickle::new().code(b")q\x00"), |pickle, slot| {
        pickle.code(&[b'h', slot - 1, b'h', slot - 1, 0x86, b'q', slot])
    });
    let name = "x".repeat(1_000_000);
    let long_name =
        Pickle::new().global("collections", &name).code(b"q\x00").code(&b"h\x00".repeat(250_000)).code(b".");
    let long_key =
        Pickle::new().code(b"}").text("k").storage(&name).code(b"q\x00s").code(&b"Nh\x00s".repeat(250_000)).code(b".");
    let sizes = vec![1; 90_000];
    let dimensions = Pickle::state("conv_out_seg.weight", "0", 0, &sizes, &sizes);
    let own = Pickle::new().code(b"}q\x00").text("net").code(b"h\x00s.");
    let list = Pickle::new().code(b"]q\x00h\x00a.");
    let members: Vec<String> = (0..60_000).map(|index| format!("a/data/{index}")).collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|name| (name.as_str(), &b""[..])).collect();
    vec![
        case("laughs.pth", pth(&laughs.code(b"."), 4), "no dict of tensors"),
        case("nones.pth", pth(&bytes(b"N", 2_000_000).code(b"."), 4), "no dict of tensors"),
        case("too-long.pth", pth(&bytes(b"N", 3_000_000).code(b"."), 4), "more than the 2097152"),
        case("tuples.pth", pth(&Pickle::new().code(b"N").code(&b"\x85".repeat(2_000_000)).code(b"."), 4), "no dict"),
        case("marks.pth", pth(&bytes(b"(", 2_000_000).code(b"."), 4), "where there is none"),
        case("dicts.pth", pth(&bytes(b"}", 2_000_000).code(b"."), 4), "not an RS-Mamba checkpoint"),
        case("deep.pth", pth(&bytes(b"}N", 900_000).code(&b"s".repeat(200_000)).code(b"."), 4), ""),
        case("long-name.pth", pth(&long_name, 4), "calls `collections.xxxx"),
        case("long-key.pth", pth(&long_key, 4), "not an RS-Mamba checkpoint"),
        case("dimensions.pth", pth(&dimensions, 4), "at most 8 sizes"),
        case("own-net.pth", pth(&own, 4), "not an RS-Mamba checkpoint"),
        case("own-list.pth", pth(&list, 4), "no dict of tensors"),
        case("members.pth", zip(&members), "without a `data.pkl`"),
    ]
}

/// Tensors that lie elsewhere, or are no tensors.
fn tensors() -> Vec<Case> {
    let one = |offset: i64, shape: &[i64], strides: &[i64]| {
        pth(&Pickle::state("conv_out_seg.weight", "0", offset, shape, strides), 64)
    };
    let two = |first: &str, second: &str| {
        let pickle = Pickle::new().code(b"}(").text(first).tensor("0", 0, &[16], &[1]).text(second);
        pth(&pickle.tensor("0", 0, &[16], &[1]).code(b"u."), 64)
    };
    let text_shape =
        Pickle::new().code(b"}").text("x").global("torch._utils", "_rebuild_tensor_v2").code(b"(").storage("0");
    let text_shape = text_shape.int(0).text("a").text("b").code(b"tRs.");
    vec![
        case("negative.pth", one(0, &[-1], &[1]), "of the size -1"),
        case("offset.pth", one(-1, &[1], &[1]), "of the size -1"),
        case("outside.pth", one(16, &[1], &[1]), "does not lie in its 64 bytes"),
        case("large.pth", one(0, &[17], &[1]), "does not lie in its 64 bytes"),
        case("huge.pth", one(0, &[i64::MAX, 1], &[1, 1]), "does not lie"),
        case("product.pth", one(0, &[1 << 40, 1 << 40], &[1, 1]), "does not lie"),
        case("stride.pth", one(0, &[2, 2], &[i64::MAX, i64::MAX]), "does not lie"),
        case("far.pth", one(i64::MAX, &[1], &[1]), "does not lie"),
        // one value in the place of many
        case("expanded.pth", one(0, &[1 << 20, 1 << 10], &[0, 0]), "does not lie"),
        case("ranks.pth", one(0, &[1, 1], &[1]), "does not lie"),
        case("shared.pth", two("conv_out_seg.weight", "conv_out_seg.bias"), "no usable weights"),
        case("twice.pth", two("x", "x"), "`x` twice"),
        case("empty-shape.pth", one(0, &[0, 1 << 30], &[1, 1]), "must have 4 dimensions"),
        case("elsewhere.pth", pth(&Pickle::state("x", "1", 0, &[1], &[1]), 4), "`a/data/1` is missing"),
        case("outer.pth", pth(&Pickle::state("x", "../../etc/passwd", 0, &[1], &[1]), 4), "is missing"),
        case("text-shape.pth", pth(&text_shape, 4), "no tuple"),
        case("line.pth", pth(&Pickle::state("a\nb\u{1b}[31m", "0", 0, &[1], &[1]), 4), "is no name"),
        case("name.pth", pth(&Pickle::state(&"n".repeat(100_000), "0", 0, &[1], &[1]), 4), "is no name"),
    ]
}

/// Zips that are not as PyTorch writes them.
fn zips() -> Vec<Case> {
    let state = Pickle::state("x", "0", 0, &[1], &[1]);
    let plain = pth(&state, 4);
    // local header and directory of the last member; method and sizes stand at the same distance from its checksum
    let place = |magic: &[u8]| plain.windows(4).rposition(|window| window == magic).expect("there");
    let change = |places: &[(usize, &[u8])]| {
        let mut bytes = plain.clone();
        for (start, new) in places {
            bytes[*start..start + new.len()].copy_from_slice(new);
        }
        bytes
    };
    let (local, central) = (place(b"PK\x03\x04"), place(b"PK\x01\x02"));
    let deflated = change(&[(local + 8, &[8]), (central + 10, &[8]), (central + 24, &[0xff, 0xff, 0xff, 0xfe])]);
    let longer = change(&[(central + 20, &[0xff, 0xff, 0xff, 0x7e]), (central + 24, &[0xff, 0xff, 0xff, 0x7e])]);
    let mut ends = plain.clone();
    ends.extend(b"PK\x05\x06".repeat(500_000));
    let big = zip(&[("a/data.pkl", &state.0), ("a/data/0", &[0; 4]), ("a/byteorder", b"big")]);
    vec![
        case("bomb.pth", deflated, "is compressed"),
        case("longer.pth", longer, "no usable weights"),
        case("method.pth", change(&[(central + 10, &[99])]), "no usable weights"),
        case("places.pth", change(&[(central + 42, &[0xff, 0xff, 0xff, 0x7f])]), "no usable weights"),
        case("ends.pth", ends, ""),
        case("big.pth", big, "big-endian"),
        case("no-pickle.pth", zip(&[("a/data/0", &[0; 4])]), "without a `data.pkl`"),
        case("nothing.pth", zip(&[]), "without a `data.pkl`"),
        case("start.pth", b"PK\x03\x04".to_vec(), "not a complete PyTorch file"),
    ]
}

/// A pickle that ends early, at every byte.
fn ends() -> Vec<Case> {
    let whole = Pickle::state("x", "0", 0, &[1, 1], &[1, 1]).0;
    let cut = |length| case(&format!("ends-{length}.pth"), pth(&Pickle(whole[..length].to_vec()), 4), "ends too early");
    (0..whole.len()).map(cut).collect()
}
