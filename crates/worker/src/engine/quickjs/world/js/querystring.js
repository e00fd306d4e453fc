// https://nodejs.org/docs/latest-v20.x/api/querystring.html
(function (module, use) {
  'use strict';

  const { utf8Decode } = use('internal/bytes');
  const { coded } = use('internal/errors');

  const digit = (unit) => {
    if (unit >= 48 && unit <= 57) return unit - 48;
    const lower = unit | 32;
    return lower >= 97 && lower <= 102 ? lower - 87 : -1;
  };

  const unescapeBuffer = (text, plusIsSpace) => {
    // A character is a byte here: the lower half of its code.
    const bytes = use('buffer').Buffer.from(text, 'latin1');
    const { length } = bytes;
    let put = 0;
    for (let at = 0; at < length; at += 1, put += 1) {
      const high = bytes[at] === 37 && at + 2 < length ? digit(bytes[at + 1]) : -1;
      const low = high >= 0 ? digit(bytes[at + 2]) : -1;
      if (low >= 0) { bytes[put] = high << 4 | low; at += 2; }
      else bytes[put] = plusIsSpace && bytes[at] === 43 ? 32 : bytes[at];
    }
    return bytes.subarray(0, put);
  };

  // With what is malformed left as it is.
  const unescape = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return utf8Decode(unescapeBuffer(text));
    }
  };

  const escape = (text) => {
    if (typeof text !== 'string') text = typeof text === 'object' ? String(text) : text + '';
    try {
      return encodeURIComponent(text);
    } catch {
      // Half of a pair takes what follows for the other half.
      return encodeURIComponent(text.replace(/[\ud800-\udfff][^]?/g, (pair) => {
        if (pair.length < 2) throw coded(URIError, 'ERR_INVALID_URI', 'URI malformed');
        return String.fromCodePoint(0x10000 + ((pair.charCodeAt(0) & 0x3ff) << 10 | pair.charCodeAt(1) & 0x3ff));
      }));
    }
  };

  const primitive = (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' && isFinite(value)) return String(value);
    return typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : '';
  };

  const stringify = (object, separator, equals, options) => {
    separator ||= '&';
    equals ||= '=';
    const encode = typeof options?.encodeURIComponent === 'function' ? options.encodeURIComponent : querystring.escape;
    if (object === null || typeof object !== 'object') return '';
    const pairs = [];
    for (const key of Object.keys(object)) {
      const values = Array.isArray(object[key]) ? object[key] : [object[key]];
      for (const value of values) pairs.push(encode(primitive(key)) + equals + encode(primitive(value)));
    }
    return pairs.join(separator);
  };

  const parse = (text, separator, equals, options) => {
    const result = Object.create(null);
    if (typeof text !== 'string' || text.length === 0) return result;
    separator = separator ? String(separator) : '&';
    equals = equals ? String(equals) : '=';
    const most = typeof options?.maxKeys === 'number' ? options.maxKeys : 1000;
    const custom = typeof options?.decodeURIComponent === 'function' ? options.decodeURIComponent : querystring.unescape;
    const decode = (part) => {
      const spaced = part.replaceAll('+', custom === unescape ? ' ' : '%20');
      if (custom === unescape && !/%[0-9a-f]{2}/i.test(spaced)) return spaced;
      try {
        return custom(spaced);
      } catch {
        return unescape(spaced);
      }
    };
    let count = 0;
    for (const pair of text.split(separator)) {
      if (pair === '') continue;
      if (most > 0 && count >= most) break;
      count += 1;
      const at = pair.indexOf(equals);
      const key = decode(at < 0 ? pair : pair.slice(0, at)), value = at < 0 ? '' : decode(pair.slice(at + equals.length));
      if (!(key in result)) result[key] = value;
      else if (Array.isArray(result[key])) result[key].push(value);
      else result[key] = [result[key], value];
    }
    return result;
  };

  const querystring = { unescapeBuffer, unescape, escape, stringify, encode: stringify, parse, decode: parse };
  module.exports = querystring;
})
