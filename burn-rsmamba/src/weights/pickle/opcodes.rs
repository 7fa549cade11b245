//! The opcodes that `torch.save` writes for a state dict, and the stack they work on.

use super::{Index, Machine, Name, Value};

impl<'a> Machine<'a> {
    /// The pickled value.
    pub(super) fn run(&mut self) -> Result<Index, String> {
        loop {
            let [opcode] = self.take()?;
            match opcode {
                // protocol
                0x80 => drop(self.take::<1>()?),
                b'.' => return self.pop(),
                // scalars, and lists, whose items are dropped: none holds weights
                b'N' | 0x88 | 0x89 | b']' => self.push(Value::Other),
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
                // an item of a list; or attributes of the object below, such as a state dict's versions
                b'a' | b'b' => drop(self.pop()?),
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

    pub(super) fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    pub(super) fn top(&self) -> Result<Index, String> {
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
}

/// A little-endian two's complement number, unless it is wider than any size.
fn long(bytes: &[u8]) -> Option<i64> {
    let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [sign; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}
