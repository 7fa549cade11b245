//! The state dict in the pickle of a `.pth`, by the few opcodes that `torch.save` writes for one.
//!
//! A pickle is a program, and this reader runs nothing: values lie in one list and name each other by index, so nothing is called,
//! copied or followed recursively, and memory stays a small multiple of the pickle's length, whatever it says. Burn's own reader
//! calls nothing either, but copies what a pickle takes from its memo: one of a megabyte can make it ask for 100 GB.

use burn::tensor::DType;
use std::collections::HashMap;

/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    /// `None` for a type that no weight has.
    pub(super) dtype: Option<DType>,
    /// Key of its storage.
    pub(super) storage: &'a str,
    /// Elements of the storage before its first.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one index of a dimension to the next.
    pub(super) strides: Vec<usize>,
}

/// Names and places of a state dict's tensors, in its order: the pickled dict itself, or the one that it holds under `net`.
///
/// # Errors
///
/// What is wrong with it, and the mend.
pub(super) fn state_dict(pickle: &[u8]) -> Result<Vec<(&str, Stored<'_>)>, String> {
    let mut machine =
        Machine { pickle, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let root = machine.run()?;
    machine.tensors(root)
}

/// Index of a value.
type Index = usize;

enum Value<'a> {
    Int(i64),
    Text(&'a str),
    Name(Name),
    Tuple(Vec<Index>),
    Dict(Vec<(Index, Index)>),
    Storage {
        dtype: Option<DType>,
        key: &'a str,
    },
    Tensor(Box<Stored<'a>>),
    /// What no weights need: lists, floats, further objects.
    Other,
}

/// What a pickle may name.
#[derive(Clone, Copy)]
enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Option<DType>),
    Other,
}

impl Name {
    /// By an allowlist, as PyTorch's `weights_only`: the rest would run code when Python opens the file.
    fn new(module: &str, name: &str) -> Result<Self, String> {
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

struct Machine<'a> {
    /// What is left to read.
    pickle: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Index>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Index>,
}

impl<'a> Machine<'a> {
    /// The pickled value.
    fn run(&mut self) -> Result<Index, String> {
        loop {
            let [opcode] = self.take()?;
            match opcode {
                // protocol
                0x80 => drop(self.take::<1>()?),
                b'.' => return self.pop(),
                // scalars
                b'N' | 0x88 | 0x89 => self.push(Value::Other),
                b'G' => {
                    self.take::<8>()?;
                    self.push(Value::Other);
                }
                b'K' => {
                    let value = u8::from_le_bytes(self.take()?);
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.take()?);
                    self.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.take()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => {
                    let [length] = self.take()?;
                    let value = long(self.slice(length.into())?);
                    self.push(value.map_or(Value::Other, Value::Int));
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.take()?);
                    let text = self.slice(length as usize)?;
                    self.push(Value::Text(
                        std::str::from_utf8(text).map_err(|_| "its pickle has a text that is not UTF-8")?,
                    ));
                }
                // containers
                b'}' => self.push(Value::Dict(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' => self.push(Value::Other),
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items));
                }
                0x85..=0x87 => {
                    let mut items = (0x85..=opcode).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                    items.reverse();
                    self.push(Value::Tuple(items));
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.insert(&items)?;
                }
                // no list holds weights: its items are dropped
                b'a' => drop(self.pop()?),
                b'e' => drop(self.pop_to_mark()?),
                // memo
                b'q' => {
                    let [slot] = self.take()?;
                    self.remember(slot.into())?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.take()?);
                    self.remember(slot)?;
                }
                b'h' => {
                    let [slot] = self.take()?;
                    self.recall(slot.into())?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.take()?);
                    self.recall(slot)?;
                }
                // objects
                b'c' => {
                    let name = Name::new(self.line()?, self.line()?)?;
                    self.push(Value::Name(name));
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage);
                }
                b'R' => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    self.call(callable, arguments)?;
                }
                // attributes of the object below, such as a state dict's versions
                b'b' => drop(self.pop()?),
                other => {
                    return Err(format!(
                        "its pickle has the opcode {other:#04x}, which `torch.save` does not write for a state dict; \
                         save the model's `state_dict()` with PyTorch's defaults"
                    ));
                }
            }
        }
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.pickle.split_at_checked(length).ok_or("its pickle ends too early")?;
        self.pickle = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.slice(N)?.try_into().expect("the length asked for"))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let length = self.pickle.iter().position(|&byte| byte == b'\n').ok_or("its pickle ends too early")?;
        let line = std::str::from_utf8(self.slice(length)?).map_err(|_| "its pickle has a name that is not UTF-8")?;
        self.take::<1>()?;
        Ok(line)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<Index, String> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        self.stack[bottom..].last().copied().ok_or_else(|| "its pickle takes a value where there is none".to_owned())
    }

    fn pop(&mut self) -> Result<Index, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Index>, String> {
        let mark = self.marks.pop().ok_or("its pickle takes a mark where there is none")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, slot: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), String> {
        let value = self.memo.get(&slot).ok_or("its pickle recalls a value that it never had")?;
        self.stack.push(*value);
        Ok(())
    }

    /// Keys and values in turns into the dict on the stack.
    fn insert(&mut self, items: &[Index]) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(dict) => dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            Value::Other => {}
            _ => return Err("its pickle puts items into what is no dict".to_owned()),
        }
        Ok(())
    }

    /// The storage of an id `("storage", type, key, device, elements)`.
    fn storage(&self, id: Index) -> Result<Value<'a>, String> {
        let Value::Tuple(fields) = &self.values[id] else {
            return Err("its pickle has a storage without an id".to_owned());
        };
        if let &[tag, kind, key, ..] = &fields[..]
            && let (Value::Text("storage"), Value::Name(Name::Storage(dtype)), Value::Text(key)) =
                (&self.values[tag], &self.values[kind], &self.values[key])
        {
            return Ok(Value::Storage { dtype: *dtype, key });
        }
        Err("its pickle has a storage of another kind than `torch.save` writes".to_owned())
    }

    fn call(&mut self, callable: Index, arguments: Index) -> Result<(), String> {
        let (Value::Name(name), Value::Tuple(arguments)) = (&self.values[callable], &self.values[arguments]) else {
            return Err("its pickle calls what is no name".to_owned());
        };
        match (name, &arguments[..]) {
            (Name::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Name::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor(storage, offset, shape, strides)?;
                self.push(Value::Tensor(Box::new(tensor)));
            }
            (Name::RebuildParameter, &[tensor, ..]) => self.stack.push(tensor),
            (Name::Other, _) => self.push(Value::Other),
            _ => return Err("its pickle builds a tensor in another way than `torch.save` does".to_owned()),
        }
        Ok(())
    }

    fn tensor(&self, storage: Index, offset: Index, shape: Index, strides: Index) -> Result<Stored<'a>, String> {
        let &Value::Storage { dtype, key } = &self.values[storage] else {
            return Err("its pickle has a tensor without a storage".to_owned());
        };
        let sizes = |index: Index| match &self.values[index] {
            Value::Tuple(items) if items.len() <= MOST_DIMENSIONS => {
                items.iter().map(|&item| self.size(item)).collect()
            }
            _ => Err(format!("its pickle has a shape that is no tuple of at most {MOST_DIMENSIONS} sizes")),
        };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        Ok(Stored { dtype, storage: key, offset: self.size(offset)?, shape, strides })
    }

    fn size(&self, index: Index) -> Result<usize, String> {
        match &self.values[index] {
            Value::Int(size) => {
                usize::try_from(*size).map_err(|_| format!("its pickle has a tensor of the size {size}"))
            }
            _ => Err("its pickle has a size that is no whole number".to_owned()),
        }
    }

    fn tensors(self, root: Index) -> Result<Vec<(&'a str, Stored<'a>)>, String> {
        let dict = |index: Index| match &self.values[index] {
            Value::Dict(dict) => Ok(dict),
            _ => Err("it holds no dict of tensors; save the model's `state_dict()`".to_owned()),
        };
        let root = dict(root)?;
        let net = root.iter().find(|(key, _)| matches!(self.values[*key], Value::Text("net")));
        let state = net.map_or(Ok(root), |(_, net)| dict(*net))?;
        let tensors = state.iter().filter_map(|(key, value)| match (&self.values[*key], &self.values[*value]) {
            (Value::Text(name), Value::Tensor(tensor)) => Some((*name, Stored::clone(tensor))),
            _ => None,
        });
        Ok(tensors.collect())
    }
}

/// A little-endian two's complement number, unless it is wider than any size.
fn long(bytes: &[u8]) -> Option<i64> {
    let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [sign; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}
