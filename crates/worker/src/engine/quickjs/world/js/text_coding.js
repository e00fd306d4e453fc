// TextEncoder and TextDecoder: https://encoding.spec.whatwg.org/, for UTF-8, UTF-16LE and Latin-1.
(function (module, use) {
  'use strict';

  const { utf8Length, utf8Write, encoding } = use('internal/bytes');
  const { coded, InvalidArgument } = use('internal/errors');

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') {
      text = String(text);
      const bytes = new Uint8Array(utf8Length(text));
      utf8Write(bytes, text, 0, bytes.length);
      return bytes;
    }
    encodeInto(text, bytes) {
      text = String(text);
      const written = utf8Write(bytes, text, 0, bytes.length);
      // How much of the text that was.
      let read = 0, size = 0;
      while (size < written) {
        const sign = String.fromCodePoint(text.codePointAt(read));
        size += utf8Length(sign);
        read += sign.length;
      }
      return { read, written };
    }
  }

  const LABELS = {
    'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16le': 'utf-16le', 'utf-16': 'utf-16le',
    latin1: 'windows-1252', ascii: 'windows-1252', 'iso-8859-1': 'windows-1252', 'us-ascii': 'windows-1252',
  };
  const BYTES = { 'utf-8': 'utf8', 'utf-16le': 'utf16le', 'windows-1252': 'latin1' };

  class TextDecoder {
    #label; #fatal; #keep; #decoder; #begun = false;
    constructor(label = 'utf-8', options = {}) {
      const name = String(label).trim().toLowerCase();
      if (!Object.hasOwn(LABELS, name)) {
        throw coded(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
      }
      this.#label = LABELS[name];
      this.#fatal = Boolean(options?.fatal);
      this.#keep = Boolean(options?.ignoreBOM);
    }
    get encoding() { return this.#label; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keep; }
    decode(input = new Uint8Array(0), options = {}) {
      let bytes;
      if (ArrayBuffer.isView(input)) bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
      else if (Object.prototype.toString.call(input).endsWith('ArrayBuffer]')) bytes = new Uint8Array(input);
      else throw new InvalidArgument('list', 'an instance of ArrayBuffer, SharedArrayBuffer or ArrayBufferView', input);
      this.#decoder ??= new (use('string_decoder').StringDecoder)(BYTES[this.#label]);
      let text = this.#decoder.write(bytes);
      if (!options?.stream) { text += this.#decoder.end(); this.#decoder = undefined; }
      if (this.#fatal && text.includes('\ufffd') && !this.#spelled(bytes)) {
        throw coded(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.#label}`);
      }
      if (!this.#begun && !this.#keep && text.startsWith('\ufeff')) text = text.slice(1);
      this.#begun = Boolean(options?.stream) && (this.#begun || text !== '');
      return text;
    }
    // Whether all the replacement characters were in the bytes themselves.
    #spelled(bytes) {
      const known = encoding(BYTES[this.#label]);
      const text = known.decode(bytes, 0, bytes.length);
      const again = new Uint8Array(known.length(text));
      known.write(again, text, 0, again.length);
      return again.length === bytes.length && again.every((byte, at) => byte === bytes[at]);
    }
  }

  module.exports = { TextEncoder, TextDecoder };
})
