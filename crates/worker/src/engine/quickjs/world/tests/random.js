// Made-up inputs, the same for both engines: a list of what was called, with what, and what came of it. Left out is what is known to differ:
// texts of the engine's own errors, `showHidden` of typed arrays, and where Node 20 leaves the standard (URLSearchParams with characters that
// are no ASCII) or itself (`path.parse('/..')`, `basename` with a suffix and slashes at the end, `[::1]` in old URLs).
async (require, seed, count) => {
  const util = require('util'), url = require('url'), querystring = require('querystring'), path = require('path');
  const { StringDecoder } = require('string_decoder'), punycode = require('punycode'), assert = require('assert');

  let state = seed;
  const below = (most) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 8) % most; };
  const pick = (list) => list[below(list.length)];
  const text = (parts, most) => Array.from({ length: below(most) + 1 }, () => pick(parts)).join('');
  const URLS = ['http:', 'https:', 'mailto:', 'x:', '//', '/', '/', 'a.com', 'b', ':80', ':', '@', 'u:p@', '?', '#', 'q=1', '&', '=', '..', '.', '%20',
    ' ', 'ä', ';', '\\', 'é.org', 'A', '~', '+', "'", '"', '{', '|', '%', 'javascript:', 'file:', '*', '!', '^', '<'];
  const PATHS = ['/', '/', '/', '..', '.', 'a', 'b.c', '.x', ' ', 'ü', '..a', 'c.'];
  const QUERIES = ['a', 'b', '=', '=', '&', '&', '%41', '%', '%C3%A4', '+', ' ', '%zz', '%E4', '[]', ';', '#'];
  const SIGNS = ['a', 'b', 'é', '€', '😀', '\ud800', '\udc00', '\n', '0', '=', '-', '_', '+', '/', 'Z', '\u00ff'];
  const ENCODINGS = ['utf8', 'latin1', 'ascii', 'base64', 'base64url', 'hex', 'utf16le'];
  const BYTES = [0x61, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0xff, 0xc0];
  const value = (depth) => {
    switch (below(depth > 3 ? 7 : 12)) {
      case 0: return below(1000) - 500;
      case 1: return text(SIGNS, 6);
      case 2: return pick([null, undefined]);
      case 3: return below(2) === 1;
      case 4: return below(100) / 7;
      case 5: return BigInt(below(50));
      case 6: return pick([Symbol('s'), new Date(below(1e9) * 1000), /x+/gi, () => 1, Buffer.from(text(SIGNS, 5)), [, 1, ,]]);
      case 7: case 8: return Array.from({ length: below(9) }, () => value(depth + 1));
      case 9: return new Map(Array.from({ length: below(4) }, () => [value(depth + 2), value(depth + 1)]));
      case 10: return new Set(Array.from({ length: below(5) }, () => value(depth + 1)));
      default: return Object.fromEntries(Array.from({ length: below(6) }, (_, at) => [pick(['a', 'b-c', '1', 'key name', 'long_key_name']) + at, value(depth + 1)]));
    }
  };

  const all = [];
  const tell = (name, given, call) => {
    let result;
    try { result = call(); } catch (error) { result = `throws ${error.name} ${error.code ? `${error.code} ${error.message}` : ''}`; }
    all.push(`${name} ${JSON.stringify(given)} -> ${JSON.stringify(result)}`);
  };
  for (let at = 0; at < count; at += 1) {
    const one = text(URLS, 8), other = text(URLS, 5);
    tell('url.parse', one, () => ({ ...url.parse(one) }));
    tell('url.resolve', [one, other], () => url.resolve(one, other));
    const part = pick(['pathname', 'search', 'hash', 'username']);
    tell('URL', [one, part, other], () => { const made = new URL('http://a.org/x' + one); made[part] = other; return made.href; });

    const here = text(PATHS, 8), there = text(PATHS, 6);
    for (const name of ['normalize', 'dirname', 'basename', 'extname', 'isAbsolute']) tell(name, here, () => path[name](here));
    if (!/\.\.\/*$/.test(here)) tell('path.parse', here, () => path.parse(here));
    tell('join', [here, there], () => [path.join(here, there), path.relative('/' + here, '/' + there), path.resolve('/', here, there)]);

    const query = text(QUERIES, 10);
    tell('querystring', query, () => [querystring.parse(query), querystring.stringify(querystring.parse(query)), querystring.unescape(query)]);
    tell('URLSearchParams', query, () => [...new URLSearchParams(query), String(new URLSearchParams(query))]);

    const said = text(SIGNS, 12), from = pick(ENCODINGS), to = pick(ENCODINGS), left = below(5) - 2, right = below(8) - 2;
    tell('Buffer', [said, from, to], () => {
      const bytes = Buffer.from(said, from);
      return [bytes.toString('hex'), bytes.toString(to), Buffer.byteLength(said, from), bytes.slice(left, right).toString(to)];
    });
    const bytes = Array.from({ length: below(12) }, () => pick(BYTES));
    tell('decode', bytes, () => {
      const decoder = new StringDecoder('utf8');
      return [Buffer.from(bytes).toString(), new TextDecoder().decode(Uint8Array.from(bytes)), bytes.map((byte) => decoder.write(Buffer.of(byte))), decoder.end()];
    });
    const numbers = Buffer.alloc(8, Buffer.from([...bytes, 1])), offset = below(10) - 1, size = below(8);
    const read = pick(['readInt16BE', 'readUInt32LE', 'readDoubleBE', 'readFloatLE', 'readInt8', 'readUIntBE', 'readIntLE', 'readBigInt64LE']);
    tell(read, [bytes, offset, size], () => String(numbers[read](offset, size)));
    const write = pick(['writeInt16BE', 'writeUInt32LE', 'writeInt8', 'writeUInt8', 'writeUIntBE', 'writeIntLE', 'writeDoubleLE', 'writeUInt16LE']);
    const number = pick([0, 1, -1, 255, 256, -128, -129, 65535, 65536, 2 ** 31, 2 ** 32, -(2 ** 31), 1.5, NaN, 2 ** 40, '5', undefined]);
    tell(write, [String(number), offset, size], () => { const made = Buffer.alloc(8); return [made[write](number, offset, size), made.toString('hex')]; });

    const shown = value(0), options = pick([undefined, undefined, { depth: 1 }, { compact: false }, { breakLength: 40 }, { depth: null }, { maxArrayLength: 3 }]);
    tell('inspect', at, () => util.inspect(shown, options));
    const form = pick(['%s', '%O', '%j', '%d %s', 'x']);
    tell('format', [at, form], () => util.format(form, shown, 1));
    const first = value(1), second = below(3) > 0 ? value(1) : first;
    for (const name of ['deepEqual', 'deepStrictEqual']) tell(name, at, () => { try { assert[name](first, second); return true; } catch (error) { return error.code; } });

    const host = text(['a', 'ü', '他', '-', 'Z', '.', '😀', 'xn--'], 6);
    tell('punycode', host, () => [punycode.toASCII(host), punycode.encode(host)]);
  }
  return JSON.stringify(all);
}
