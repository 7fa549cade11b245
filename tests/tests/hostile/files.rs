//! Zips, pickles and safetensors by hand, so that they can say anything.

/// A zip of stored members, without checksums.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let start = file.len() as u32;
        // version, flags, method, time, date, checksum, two sizes, lengths of name and extra field
        let about = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &(bytes.len() as u32).to_le_bytes(),
            &(bytes.len() as u32).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        file.extend([b"PK\x03\x04", &about[..], name.as_bytes(), bytes].concat());
        // made by; then comment, disk, attributes
        directory
            .extend([b"PK\x01\x02", &[20, 0][..], &about, &[0; 10], &start.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, start) = (members.len() as u16, file.len() as u32);
    file.extend(&directory);
    file.extend([b"PK\x05\x06", &[0; 4][..], &count.to_le_bytes(), &count.to_le_bytes()].concat());
    file.extend([&(directory.len() as u32).to_le_bytes()[..], &start.to_le_bytes(), &[0, 0]].concat());
    file
}

/// A `.pth` of a pickle and one storage `0` of this many bytes.
pub(crate) fn pth(pickle: &Pickle, storage: usize) -> Vec<u8> {
    zip(&[("a/data.pkl", &pickle.0), ("a/data/0", &vec![0; storage])])
}

/// A `.safetensors` of a header and zeros.
pub(crate) fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A pickle in the making.
#[derive(Clone)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    /// Protocol 2.
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn code(mut self, opcodes: &[u8]) -> Self {
        self.0.extend(opcodes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.code(b"X").code(&(text.len() as u32).to_le_bytes()).code(text.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        self.code(&[0x8a, 8]).code(&value.to_le_bytes())
    }

    fn tuple(self, values: &[i64]) -> Self {
        values.iter().fold(self.code(b"("), |pickle, value| pickle.int(*value)).code(b"t")
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.code(format!("c{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn storage(self, key: &str) -> Self {
        let id = self.code(b"(").text("storage").global("torch", "FloatStorage").text(key).text("cpu");
        id.int(1).code(b"tQ")
    }

    /// A tensor as `torch.save` writes it.
    pub(crate) fn tensor(self, storage: &str, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        let arguments = self.global("torch._utils", "_rebuild_tensor_v2").code(b"(").storage(storage).int(offset);
        let arguments = arguments.tuple(shape).tuple(strides).code(b"\x89");
        arguments.global("collections", "OrderedDict").code(b")RtR")
    }

    /// A state dict of one tensor.
    pub(crate) fn state(name: &str, storage: &str, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        Self::new().code(b"}").text(name).tensor(storage, offset, shape, strides).code(b"s.")
    }
}
