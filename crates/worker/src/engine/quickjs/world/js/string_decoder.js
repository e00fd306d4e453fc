// https://nodejs.org/docs/latest-v20.x/api/string_decoder.html
(function (module, use) {
  'use strict';

  const { encoding } = use('internal/bytes');
  const { coded, InvalidArgument } = use('internal/errors');

  // Bytes at the end that may begin a character, or a group of letters, whose rest comes later.
  const unfinished = {
    utf8(bytes) {
      for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
        const byte = bytes[bytes.length - back];
        if (byte >= 0xc0) {
          const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
          return byte > 0xf7 || needs <= back ? 0 : back;
        }
        if (byte < 0x80) return 0;
      }
      return 0;
    },
    utf16le(bytes) {
      const odd = bytes.length % 2;
      const last = bytes[bytes.length - odd - 1];
      return bytes.length - odd >= 2 && (last & 0xfc) === 0xd8 ? odd + 2 : odd;
    },
    base64: (bytes) => bytes.length % 3,
    base64url: (bytes) => bytes.length % 3,
  };

  function StringDecoder(name) {
    const known = encoding(name === undefined || name === null ? 'utf8' : name);
    if (known === undefined) throw coded(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`);
    this.encoding = known.name;
    Object.defineProperty(this, '_held', { value: [], writable: true });
  }
  StringDecoder.prototype.write = function (bytes) {
    if (typeof bytes === 'string') return bytes;
    if (!ArrayBuffer.isView(bytes)) {
      throw new InvalidArgument('buf', 'an instance of Buffer, TypedArray, or DataView', bytes);
    }
    const { Buffer } = use('buffer');
    const all = Buffer.concat([Buffer.from(this._held), new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
    const held = unfinished[this.encoding]?.(all) ?? 0;
    this._held = [...all.subarray(all.length - held)];
    return all.toString(this.encoding, 0, all.length - held);
  };
  StringDecoder.prototype.end = function (bytes) {
    const text = bytes === undefined ? '' : this.write(bytes);
    const rest = use('buffer').Buffer.from(this._held);
    this._held = [];
    return text + rest.toString(this.encoding);
  };
  StringDecoder.prototype.text = function (bytes, at) {
    this._held = [];
    return this.write(bytes.subarray(at));
  };

  module.exports = { StringDecoder };
})
