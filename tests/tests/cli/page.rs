//! The elements of an HTML page.

use html5gum::{Token, Tokenizer};
use std::collections::BTreeMap;

/// An element with its attributes and the text directly in it.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
}

/// The elements in the order in which they begin; each is closed in its turn.
pub(crate) fn elements(page: &str) -> Vec<Element> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for Ok(token) in Tokenizer::new(page) {
        match token {
            Token::StartTag(tag) => {
                let attributes = tag.attributes.iter().map(|(key, value)| (text(key), text(value))).collect();
                let element = Element { name: text(&tag.name), attributes, text: String::new() };
                if !["meta", "img"].contains(&element.name.as_str()) {
                    open.push(elements.len());
                }
                elements.push(element);
            }
            Token::EndTag(tag) => {
                let closed = open.pop().map(|index| elements[index].name.clone());
                assert_eq!(closed, Some(text(&tag.name)));
            }
            Token::String(content) => {
                if let Some(&index) = open.last() {
                    elements[index].text += &text(&content);
                }
            }
            Token::Error(error) => panic!("{error:?}"),
            Token::Comment(_) | Token::Doctype(_) => {}
        }
    }
    assert!(open.is_empty(), "{} elements are not closed", open.len());
    elements
}
