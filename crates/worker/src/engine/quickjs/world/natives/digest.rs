//! Digests: the algorithms that Node and every browser have.

use hmac::{Hmac, Mac as _};
use md5::Md5;
use rquickjs::{Ctx, Exception, Function, Object, Result, TypedArray};
use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

/// As in `crypto.getHashes()`, the names that are asked for.
const NAMES: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

pub(super) fn install<'js>(ctx: &Ctx<'js>, natives: &Object<'js>) -> Result<()> {
    natives.set("hashes", NAMES.to_vec())?;
    let hash = |ctx: Ctx<'js>, name: String, data: String| -> Result<TypedArray<'js, u8>> {
        let data = super::bytes(&ctx, &data)?;
        let digest = digest(&name, &data).ok_or_else(|| unknown(&ctx, &name))?;
        TypedArray::new(ctx, digest)
    };
    natives.set("hash", Function::new(ctx.clone(), hash)?)?;
    let hmac = |ctx: Ctx<'js>, name: String, key: String, data: String| -> Result<TypedArray<'js, u8>> {
        let (key, data) = (super::bytes(&ctx, &key)?, super::bytes(&ctx, &data)?);
        let code = code(&name, &key, &data).ok_or_else(|| unknown(&ctx, &name))?;
        TypedArray::new(ctx, code)
    };
    natives.set("hmac", Function::new(ctx.clone(), hmac)?)
}

fn unknown(ctx: &Ctx<'_>, name: &str) -> rquickjs::Error {
    Exception::throw_message(ctx, &format!("digest {name} is not offered; use engine = \"node\""))
}

fn digest(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        "md5" => Md5::digest(data).to_vec(),
        "sha1" => Sha1::digest(data).to_vec(),
        "sha224" => Sha224::digest(data).to_vec(),
        "sha256" => Sha256::digest(data).to_vec(),
        "sha384" => Sha384::digest(data).to_vec(),
        "sha512" => Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

fn code(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    // One arm for each: the types differ, and there is no key that HMAC would refuse.
    macro_rules! of {
        ($digest:ty) => {{
            let mut code = Hmac::<$digest>::new_from_slice(key).ok()?;
            code.update(data);
            code.finalize().into_bytes().to_vec()
        }};
    }
    Some(match name {
        "md5" => of!(Md5),
        "sha1" => of!(Sha1),
        "sha224" => of!(Sha224),
        "sha256" => of!(Sha256),
        "sha384" => of!(Sha384),
        "sha512" => of!(Sha512),
        _ => return None,
    })
}
