use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(document: impl AsRef<[u8]>) -> Result<Value, XmlError> {
    to_json(document.as_ref(), &Limits::default())
}

#[test]
fn documents_are_read_as_xmltodict_does() {
    for (document, value) in [
        ("<a/>", json!({"a": null})),
        ("<a> \n </a>", json!({"a": null})),
        ("<a> x y </a>", json!({"a": "x y"})),
        ("<a b='1' c=\"\"/>", json!({"a": {"@b": "1", "@c": ""}})),
        ("<a b='1'>x</a>", json!({"a": {"@b": "1", "#text": "x"}})),
        ("<a>x<b/>y<b>2</b> z</a>", json!({"a": {"b": [null, "2"], "#text": "xy z"}})),
        ("<a><b/><c/><b/><b>3</b></a>", json!({"a": {"b": [null, null, "3"], "c": null}})),
        ("<?xml version='1.0' encoding='UTF-8'?>\n<!-- c --><a><!-- d --><?p i?>x</a>\n", json!({"a": "x"})),
        ("\u{feff}<a>x</a>", json!({"a": "x"})),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>x</a>", json!({"a": "x"})),
        ("<a>&lt;&#x41;&#66;&amp;amp;&quot;&apos;&gt;</a>", json!({"a": "<AB&amp;\"'>"})),
        ("<a b='&lt;&#65; \n'><![CDATA[<b>&c;</b>]]></a>", json!({"a": {"@b": "<A  ", "#text": "<b>&c;</b>"}})),
        ("<a>1\r\n2\r3</a>", json!({"a": "1\n2\n3"})),
        ("<n:a xmlns:n='u'><n:b>ü</n:b></n:a>", json!({"n:a": {"@xmlns:n": "u", "n:b": "ü"}})),
    ] {
        assert_eq!(read(document).expect(document), value, "{document}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for document in [
        "",
        " ",
        "x",
        "{\"a\": 1}",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a>&#0;</a>",
        "<a>&#1;</a>",
        "<a>&#x110000;</a>",
        "<a>&#xd800;</a>",
        "<a><!-- </a>",
        "<a><![CDATA[ </a>",
        "<!doctype html><html><body>Please log in.<br></body></html>",
    ] {
        let error = read(document).expect_err(document);
        assert!(matches!(error, XmlError::Malformed { .. }), "{document}: {error}");
    }
    assert!(read(b"<a>\xff\xfe</a>").is_err());
}

/// Definitions of entities are not read, so that there is nothing to be expanded: neither a billion laughs nor a file.
#[test]
fn no_entity_is_expanded() {
    let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let file = "<!DOCTYPE a [<!ENTITY c SYSTEM \"file:///etc/passwd\">]>";
    for (document, entity) in [(format!("{laughs}<a>&c;</a>"), "c"), (format!("{file}<a>&c;</a>"), "c")] {
        let error = read(&document).expect_err(&document);
        assert!(matches!(&error, XmlError::Entity(name) if name == entity), "{document}: {error}");
    }
    assert!(read(format!("{laughs}<a b='&c;'/>")).is_err());
}

#[test]
fn each_limit_is_kept() {
    let limits = Limits { depth: 3, bytes: 1000, elements: 10, piece: 100, attributes: 4 };
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let wide = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
    let text = |length: usize| format!("<a>{}</a>", "x".repeat(length));
    let long = |count: usize| format!("<a>{}</a>", format!("<!--{}-->", "x".repeat(80)).repeat(count));
    let attributes = |count: usize| format!("<a {}/>", (0..count).map(|at| format!("b{at}='' ")).collect::<String>());
    for (document, what) in [
        (deep(3), None),
        (deep(4), Some("elements within each other")),
        (wide(9), None),
        (wide(10), Some("elements")),
        (text(90), None),
        (text(101), Some("bytes in one piece")),
        (long(10), None),
        (long(12), Some("bytes")),
        (attributes(4), None),
        (attributes(5), Some("attributes")),
    ] {
        let found = match to_json(document.as_bytes(), &limits) {
            Ok(_) => None,
            Err(XmlError::TooMuch { what, .. }) => Some(what),
            Err(other) => panic!("{document}: {other}"),
        };
        assert_eq!(found, what, "{document}");
    }
}

/// A document as it is meant.
#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Element(String, Vec<(String, String)>, Vec<Self>),
}

fn node() -> impl Strategy<Value = Node> {
    let text = "[ a-c<>&\"'\\]é\t\n]{0,6}".prop_map(Node::Text);
    let name = "[a-c]";
    let attributes = move || proptest::collection::btree_map(name, "[ a-c<>&\"'é]{0,4}", 0..3);
    let element = move |children| {
        (name, attributes(), children)
            .prop_map(|(name, attributes, children)| Node::Element(name, attributes.into_iter().collect(), children))
    };
    let leaf = element(Just(Vec::new()).boxed());
    prop_oneof![text, leaf]
        .prop_recursive(4, 40, 5, move |inner| element(proptest::collection::vec(inner, 0..5).boxed()))
}

/// As text; `plain` decides whether text is escaped or in a section.
fn written(node: &Node, plain: bool) -> String {
    let escaped = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&#62;");
        text.replace('"', "&quot;").replace('\'', "&#x27;")
    };
    match node {
        Node::Text(text) if plain || text.contains("]]>") => escaped(text),
        Node::Text(text) => format!("<![CDATA[{text}]]>"),
        Node::Element(name, attributes, children) => {
            let attributes = attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)));
            let children: String = children.iter().map(|child| written(child, plain)).collect();
            format!("<{name}{}>{children}</{name}>", attributes.collect::<String>())
        }
    }
}

/// What must become of an element: the rules, written down a second time, from the whole element at once.
fn expected(attributes: &[(String, String)], children: &[Node]) -> Value {
    let text: String =
        children.iter().filter_map(|child| if let Node::Text(text) = child { Some(&**text) } else { None }).collect();
    let text = text.trim();
    let elements: Vec<(&String, Value)> = children
        .iter()
        .filter_map(|child| match child {
            Node::Element(name, attributes, children) => Some((name, expected(attributes, children))),
            Node::Text(_) => None,
        })
        .collect();
    if attributes.is_empty() && elements.is_empty() {
        return if text.is_empty() { Value::Null } else { text.into() };
    }
    let mut members: Map<String, Value> =
        attributes.iter().map(|(name, value)| (format!("@{name}"), value.as_str().into())).collect();
    for (name, _) in &elements {
        let same: Vec<Value> =
            elements.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect();
        let value = if same.len() == 1 { same[0].clone() } else { Value::Array(same) };
        members.insert((*name).clone(), value);
    }
    if !text.is_empty() {
        members.insert("#text".to_owned(), text.into());
    }
    Value::Object(members)
}

proptest! {
    #[test]
    fn every_document_becomes_what_it_means(node in node(), plain: bool) {
        let root = match node {
            Node::Text(_) => Node::Element("root".to_owned(), Vec::new(), vec![node]),
            element @ Node::Element(..) => element,
        };
        let document = written(&root, plain);
        let Node::Element(name, attributes, children) = root else { unreachable!() };
        prop_assert_eq!(read(&document).expect(&document), json!({name: expected(&attributes, &children)}), "{}", document);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = read(&bytes);
    }

    #[test]
    fn nothing_like_xml_makes_it_panic(text in "[<>/a&;#x!?'\"=\\[\\]\\- ]{0,60}") {
        let _ = read(text);
    }
}
