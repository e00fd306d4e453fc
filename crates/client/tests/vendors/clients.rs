//! A client of each vendor that there is, made as a configuration makes them.

use std::sync::Arc;

use belljar_client::Sandbox;
use belljar_client::config::{Kind, PRODUCTS, Sandboxes};

use crate::stand_in::{Received, Reply};

/// What must be in no error.
pub(crate) const KEY: &str = "k3y-that-nobody-may-see";

/// A client of each vendor, each named as its vendor is, which tries once and waits half a second for a byte.
pub(crate) async fn clients(address: &str) -> Vec<Arc<dyn Sandbox>> {
    let mut clients = Vec::new();
    for product in PRODUCTS {
        let name = product.name;
        let mut text = format!("[sandbox.{name}]\nvendor = '{name}'\naddress = '{address}'\ntries = 1\n");
        text += "read_timeout = '500ms'\n";
        for key in product.keys {
            let value = match key.kind {
                Kind::Secret => format!("'{KEY}'"),
                _ if !key.required => continue,
                Kind::Text => "'x'".to_owned(),
                Kind::Flag => "true".to_owned(),
                Kind::Number => "1".to_owned(),
                Kind::OneOf(choices) => format!("'{}'", choices[0]),
            };
            text += &format!("{} = {value}\n", key.name);
        }
        let sandboxes = Sandboxes::from_toml(&text).unwrap();
        if sandboxes.analysing().next().is_some() {
            clients.push(sandboxes.open(name).await.unwrap());
        }
    }
    assert!(!clients.is_empty(), "there are products");
    clients
}

/// Logging in works, so that what comes after it is what fails.
pub(crate) fn logged_in(request: &Received) -> Option<Reply> {
    let path = request.target.split('?').next().unwrap_or_default();
    if path.ends_with("/auth/login") {
        return Some(Reply::json(200, "{}").with("x-feapi-token", "a-token"));
    }
    if path.ends_with("/oauth2/token") {
        return Some(Reply::json(201, r#"{"access_token": "a-token", "expires_in": 1799}"#));
    }
    None
}
