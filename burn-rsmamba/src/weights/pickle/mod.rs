//! The state dict in the pickle of a `.pth`, by the few opcodes that `torch.save` writes for one.
//!
//! A pickle is a program, and this reader runs nothing: values lie in one list and name each other by index, so nothing is called,
//! copied or followed recursively, and memory stays a small multiple of the pickle's length, whatever it says. Burn's own reader
//! calls nothing either, but copies what a pickle takes from its memo: one of a megabyte can make it ask for 100 GB.

mod name;
mod opcodes;

use burn::tensor::DType;
use name::Name;
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
