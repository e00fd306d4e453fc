// Between bytes and strings: the encodings that Node's Buffer has.
(function (module, use, natives) {
  'use strict';

  // As many arguments as a call may well have.
  const CHUNK = 4096;

  const chars = (bytes, from, to) => {
    let text = '';
    for (let at = from; at < to; at += CHUNK) text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(at + CHUNK, to)));
    return text;
  };

  // UTF-8. What is malformed becomes U+FFFD: once for each longest part that a character could begin with, as the standard has it.
  const utf8Decode = (bytes, from = 0, to = bytes.length) => {
    let text = '', units = [];
    let at = from;
    while (at < to) {
      const plain = at;
      while (at < to && bytes[at] < 0x80) at += 1;
      if (at > plain) {
        if (units.length > 0) { text += String.fromCharCode.apply(null, units); units = []; }
        text += chars(bytes, plain, at);
        continue;
      }
      const first = bytes[at];
      at += 1;
      let more = 0, low = 0x80, high = 0xbf, point = 0;
      if (first >= 0xc2 && first <= 0xdf) { more = 1; point = first & 0x1f; }
      else if (first >= 0xe0 && first <= 0xef) {
        more = 2; point = first & 0xf;
        if (first === 0xe0) low = 0xa0;
        if (first === 0xed) high = 0x9f;
      } else if (first >= 0xf0 && first <= 0xf4) {
        more = 3; point = first & 7;
        if (first === 0xf0) low = 0x90;
        if (first === 0xf4) high = 0x8f;
      } else { units.push(0xfffd); continue; }
      while (more > 0 && at < to && bytes[at] >= low && bytes[at] <= high) {
        point = point << 6 | bytes[at] & 0x3f;
        at += 1; more -= 1; low = 0x80; high = 0xbf;
      }
      if (more > 0) units.push(0xfffd);
      else if (point > 0xffff) units.push(0xd7c0 + (point >> 10), 0xdc00 | point & 0x3ff);
      else units.push(point);
      if (units.length >= CHUNK - 2) { text += String.fromCharCode.apply(null, units); units = []; }
    }
    return units.length > 0 ? text + String.fromCharCode.apply(null, units) : text;
  };

  const utf8Length = (text) => {
    let length = 0;
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit < 0x80) length += 1;
      else if (unit < 0x800) length += 2;
      else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) { length += 4; at += 1; }
      else length += 3;
    }
    return length;
  };

  // Writes whole characters only, and gives how many bytes that were. A lone surrogate becomes U+FFFD.
  const utf8Write = (bytes, text, from, to) => {
    let put = from;
    for (let at = 0; at < text.length; at += 1) {
      let point = text.charCodeAt(at);
      if (point < 0x80) {
        if (put >= to) break;
        bytes[put++] = point;
        continue;
      }
      if (point < 0x800) {
        if (put + 2 > to) break;
        bytes[put++] = 0xc0 | point >> 6;
        bytes[put++] = 0x80 | point & 0x3f;
        continue;
      }
      const next = text.charCodeAt(at + 1);
      if (point >= 0xd800 && point < 0xdc00 && (next & 0xfc00) === 0xdc00) {
        if (put + 4 > to) break;
        point = 0x10000 + ((point & 0x3ff) << 10) + (next & 0x3ff);
        at += 1;
        bytes[put++] = 0xf0 | point >> 18;
        bytes[put++] = 0x80 | point >> 12 & 0x3f;
      } else {
        if (put + 3 > to) break;
        if ((point & 0xf800) === 0xd800) point = 0xfffd;
        bytes[put++] = 0xe0 | point >> 12;
      }
      bytes[put++] = 0x80 | point >> 6 & 0x3f;
      bytes[put++] = 0x80 | point & 0x3f;
    }
    return put - from;
  };

  const eightBitWrite = (bytes, text, from, to) => {
    const end = Math.min(to, from + text.length);
    for (let put = from, at = 0; put < end; put += 1, at += 1) bytes[put] = text.charCodeAt(at);
    return end - from;
  };

  const utf16Write = (bytes, text, from, to) => {
    let put = from;
    for (let at = 0; at < text.length && put + 2 <= to; at += 1) {
      const unit = text.charCodeAt(at);
      bytes[put++] = unit & 0xff;
      bytes[put++] = unit >> 8;
    }
    return put - from;
  };
  const utf16Decode = (bytes, from, to) => {
    let text = '';
    const units = [];
    for (let at = from; at + 1 < to; at += 2) {
      units.push(bytes[at] | bytes[at + 1] << 8);
      if (units.length === CHUNK) { text += String.fromCharCode.apply(null, units); units.length = 0; }
    }
    return text + String.fromCharCode.apply(null, units);
  };

  const DIGITS = '0123456789abcdef';
  const digit = (unit) => {
    if (unit >= 48 && unit <= 57) return unit - 48;
    const lower = unit | 32;
    return lower >= 97 && lower <= 102 ? lower - 87 : -1;
  };
  const hexWrite = (bytes, text, from, to) => {
    let put = from;
    for (let at = 0; at + 1 < text.length && put < to; at += 2) {
      const high = digit(text.charCodeAt(at)), low = digit(text.charCodeAt(at + 1));
      if (high < 0 || low < 0) break;
      bytes[put++] = high << 4 | low;
    }
    return put - from;
  };
  const hexDecode = (bytes, from, to) => {
    let text = '';
    for (let at = from; at < to; at += 1) text += DIGITS[bytes[at] >> 4] + DIGITS[bytes[at] & 15];
    return text;
  };

  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const VALUES = new Int8Array(128).fill(-1);
  for (let at = 0; at < LETTERS.length; at += 1) VALUES[LETTERS.charCodeAt(at)] = at;
  VALUES[43] = VALUES[45] = 62;
  VALUES[47] = VALUES[95] = 63;
  // Both alphabets are read, whatever is in neither is passed over, and `=` ends.
  const base64Write = (bytes, text, from, to) => {
    let put = from, bits = 0, held = 0;
    for (let at = 0; at < text.length && put < to; at += 1) {
      // The lower half of a character's code is what counts.
      const unit = text.charCodeAt(at) & 0xff;
      if (unit === 61) break;
      const value = unit < 128 ? VALUES[unit] : -1;
      if (value < 0) continue;
      held = (held << 6 | value) & 0xffff;
      bits += 6;
      if (bits >= 8) { bits -= 8; bytes[put++] = held >> bits & 0xff; }
    }
    return put - from;
  };
  const base64Decoder = (last, padding) => (bytes, from, to) => {
    const letters = LETTERS + last;
    let text = '', at = from;
    for (; at + 2 < to; at += 3) {
      const three = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
      text += letters[three >> 18] + letters[three >> 12 & 63] + letters[three >> 6 & 63] + letters[three & 63];
    }
    if (to - at === 1) text += letters[bytes[at] >> 2] + letters[bytes[at] << 4 & 63] + padding + padding;
    if (to - at === 2) {
      const two = bytes[at] << 8 | bytes[at + 1];
      text += letters[two >> 10] + letters[two >> 4 & 63] + letters[two << 2 & 63] + padding;
    }
    return text;
  };
  const base64Length = (text) => {
    let length = text.length;
    if (length > 0 && text.charCodeAt(length - 1) === 61) length -= 1;
    if (length > 1 && text.charCodeAt(length - 1) === 61) length -= 1;
    return Math.floor(length * 3 / 4);
  };

  const utf8 = { name: 'utf8', length: utf8Length, write: utf8Write, decode: utf8Decode };
  const utf16le = { name: 'utf16le', length: (text) => text.length * 2, write: utf16Write, decode: utf16Decode };
  const latin1 = { name: 'latin1', length: (text) => text.length, write: eightBitWrite, decode: chars };
  const ascii = {
    name: 'ascii', length: latin1.length, write: eightBitWrite,
    decode: (bytes, from, to) => chars(bytes.slice(from, to).map((byte) => byte & 0x7f), 0, to - from),
  };
  const hex = { name: 'hex', length: (text) => text.length >>> 1, write: hexWrite, decode: hexDecode };
  const base64 = { name: 'base64', length: base64Length, write: base64Write, decode: base64Decoder('+/', '=') };
  const base64url = { name: 'base64url', length: base64Length, write: base64Write, decode: base64Decoder('-_', '') };
  const encodings = {
    utf8, 'utf-8': utf8, utf16le, 'utf-16le': utf16le, ucs2: utf16le, 'ucs-2': utf16le, latin1, binary: latin1, ascii, hex, base64,
    base64url,
  };

  module.exports = {
    // The encoding of that name, in whatever case, or undefined.
    encoding: (name) => Object.hasOwn(encodings, name) ? encodings[name] : encodings[Object.keys(encodings)
      .find((known) => known === String(name).toLowerCase())],
    utf8Decode,
    utf8Length,
    utf8Write,
    // For natives: one character for each byte.
    toNative: (bytes) => chars(bytes, 0, bytes.length),
  };
})
