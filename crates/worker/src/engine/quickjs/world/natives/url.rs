//! The URL standard, by the crate that implements it.

use rquickjs::{Ctx, Function, Object, Result, Value};
use url::{Url, quirks};

pub(super) fn install<'js>(ctx: &Ctx<'js>, natives: &Object<'js>) -> Result<()> {
    // Strings of the caller have no lone surrogates: `js/whatwg_url.js` sees to it.
    let parse = |ctx: Ctx<'js>, text: String, base: Option<String>| -> Result<Value<'js>> {
        let parsed = match base {
            Some(base) => Url::parse(&base).and_then(|base| base.join(&text)),
            None => Url::parse(&text),
        };
        parsed.map_or_else(|_| Ok(super::undefined(&ctx)), |url| parts(&ctx, &url).map(Object::into_value))
    };
    natives.set("urlParse", Function::new(ctx.clone(), parse)?)?;
    // A part that cannot be set stays as it is.
    let set = |ctx: Ctx<'js>, href: String, part: String, text: String| -> Result<Value<'js>> {
        let Ok(mut url) = Url::parse(&href) else { return Ok(super::undefined(&ctx)) };
        let _ = match part.as_str() {
            "protocol" => quirks::set_protocol(&mut url, &text),
            "username" => quirks::set_username(&mut url, &text),
            "password" => quirks::set_password(&mut url, &text),
            "host" => quirks::set_host(&mut url, &text),
            "hostname" => quirks::set_hostname(&mut url, &text),
            "port" => quirks::set_port(&mut url, &text),
            "pathname" => {
                quirks::set_pathname(&mut url, &text);
                Ok(())
            }
            "search" => {
                quirks::set_search(&mut url, &text);
                Ok(())
            }
            "hash" => {
                quirks::set_hash(&mut url, &text);
                Ok(())
            }
            _ => Err(()),
        };
        parts(&ctx, &url).map(Object::into_value)
    };
    natives.set("urlSet", Function::new(ctx.clone(), set)?)?;
    natives.set("domainToASCII", Function::new(ctx.clone(), |name: String| quirks::domain_to_ascii(&name))?)?;
    natives.set("domainToUnicode", Function::new(ctx.clone(), |name: String| quirks::domain_to_unicode(&name))?)
}

fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Object<'js>> {
    let parts = Object::new(ctx.clone())?;
    parts.set("href", quirks::href(url))?;
    parts.set("origin", quirks::origin(url))?;
    parts.set("protocol", quirks::protocol(url))?;
    parts.set("username", quirks::username(url))?;
    parts.set("password", quirks::password(url))?;
    parts.set("host", quirks::host(url))?;
    parts.set("hostname", quirks::hostname(url))?;
    parts.set("port", quirks::port(url))?;
    parts.set("pathname", quirks::pathname(url))?;
    parts.set("search", quirks::search(url))?;
    parts.set("hash", quirks::hash(url))?;
    Ok(parts)
}
