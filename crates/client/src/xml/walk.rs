//! Reads a document from its start to its end without holding it.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::ration::Ration;
use super::{Limits, XmlError};

/// What is told of a document as it is read.
pub(crate) trait Visit {
    /// An element begins.
    fn start(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), XmlError>;
    /// A part of the text of the innermost element: references split it.
    fn text(&mut self, text: &str);
    /// The innermost element ends.
    fn end(&mut self);
}

/// The attributes of an element, not read yet.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    start: &'a BytesStart<'a>,
    most: usize,
    at: u64,
}

impl Attributes<'_> {
    /// Gives each one with its name.
    ///
    /// # Errors
    /// One is malformed, comes twice or refers to an entity, or there are too many of them.
    pub(crate) fn each(&self, mut take: impl FnMut(&str, &str)) -> Result<(), XmlError> {
        let malformed = |problem: String| XmlError::Malformed { at: self.at, problem };
        for (count, attribute) in self.start.attributes().enumerate() {
            if count >= self.most {
                return Err(XmlError::TooMuch { what: "attributes", limit: self.most as u64 });
            }
            let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
            let value = attribute.normalized_value(VERSION).map_err(|error| malformed(error.to_string()))?;
            take(attribute.key.as_ref(), &value);
        }
        Ok(())
    }
}

/// XML 1.1 differs in which rare characters end a line; nobody writes it.
const VERSION: XmlVersion = XmlVersion::Explicit1_0;

/// Tells `visitor` of a document.
///
/// # Errors
/// It cannot be read, is not well-formed, refers to an entity, or is beyond a limit; or the visitor's own.
pub(crate) fn walk(input: impl BufRead, limits: &Limits, visitor: &mut impl Visit) -> Result<(), XmlError> {
    let mut reader = Reader::from_reader(Ration::new(input, *limits));
    let (mut depth, mut elements, mut ended) = (0_usize, 0_u64, false);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let at = reader.buffer_position();
        let malformed = |problem: &str| XmlError::Malformed { at, problem: problem.to_owned() };
        match event {
            Ok(Event::Start(start)) => {
                begin(&start, limits, (depth, &mut elements, ended), at, visitor)?;
                depth += 1;
            }
            Ok(Event::Empty(start)) => {
                begin(&start, limits, (depth, &mut elements, ended), at, visitor)?;
                visitor.end();
                ended = depth == 0;
            }
            Ok(Event::End(_)) => {
                depth = depth.checked_sub(1).ok_or_else(|| malformed("an end without a start"))?;
                visitor.end();
                ended = depth == 0;
            }
            Ok(Event::Text(text)) if depth > 0 => visitor.text(&text.xml10_content()),
            // A byte order mark is no text.
            Ok(Event::Text(text)) if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            Ok(Event::CData(text)) if depth > 0 => visitor.text(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) if depth > 0 => visitor.text(&meant(&reference, at)?),
            Ok(Event::Text(_) | Event::CData(_) | Event::GeneralRef(_)) => return Err(malformed("text outside")),
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Ok(Event::Eof) if ended => return Ok(()),
            Ok(Event::Eof) => return Err(malformed("it ends before its end")),
            Err(quick_xml::Error::Io(error)) => {
                let reached = reader.get_mut().reached();
                return Err(reached.unwrap_or_else(|| XmlError::Read(std::io::Error::new(error.kind(), error))));
            }
            Err(error) => return Err(malformed(&error.to_string())),
        }
        reader.get_mut().next_piece();
    }
}

fn begin(
    start: &BytesStart<'_>,
    limits: &Limits,
    (depth, elements, ended): (usize, &mut u64, bool),
    at: u64,
    visitor: &mut impl Visit,
) -> Result<(), XmlError> {
    if ended {
        return Err(XmlError::Malformed { at, problem: "an element after the last".to_owned() });
    }
    if depth >= limits.depth {
        return Err(XmlError::TooMuch { what: "elements within each other", limit: limits.depth as u64 });
    }
    *elements += 1;
    if *elements > limits.elements {
        return Err(XmlError::TooMuch { what: "elements", limit: limits.elements });
    }
    let name = start.name();
    visitor.start(name.as_ref(), &Attributes { start, most: limits.attributes, at })
}

/// What a reference means.
fn meant(reference: &BytesRef<'_>, at: u64) -> Result<Cow<'static, str>, XmlError> {
    let malformed = |problem: String| XmlError::Malformed { at, problem };
    if let Some(sign) = reference.resolve_char_ref().map_err(|error| malformed(error.to_string()))? {
        return match sign {
            '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => Ok(sign.to_string().into()),
            _ => Err(malformed(format!("&{}; is no character", &**reference))),
        };
    }
    Ok(Cow::Borrowed(match &**reference {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        other => return Err(XmlError::Entity(other.chars().take(100).collect())),
    }))
}
