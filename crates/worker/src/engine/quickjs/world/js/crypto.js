// https://nodejs.org/docs/latest-v20.x/api/crypto.html: digests, codes, randomness.
(function (module, use, natives) {
  'use strict';

  const { Buffer } = use('buffer');
  const { toNative } = use('internal/bytes');
  const { coded, InvalidArgument, OutOfRange } = use('internal/errors');

  const known = new Set(natives.hashes);
  const plain = (name) => {
    if (typeof name !== 'string') throw new InvalidArgument('algorithm', 'of type string', name);
    return name.toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha');
  };
  const bytes = (data, encoding, name) => {
    if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? undefined : encoding);
    if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (/ArrayBuffer\]$/.test(Object.prototype.toString.call(data))) return Buffer.from(data);
    throw new InvalidArgument(name, 'of type string or an instance of Buffer, TypedArray, or DataView', data);
  };
  const result = (array, encoding) => {
    const buffer = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    return encoding === undefined || encoding === 'buffer' ? buffer : buffer.toString(encoding);
  };

  class Hash {
    #name; #data = ''; #done = false;
    constructor(name) { this.#name = name; }
    update(data, encoding) {
      if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#data += toNative(bytes(data, encoding, 'data'));
      return this;
    }
    digest(encoding) {
      if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#done = true;
      return result(natives.hash(this.#name, this.#data), encoding);
    }
    copy() {
      if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      const hash = new Hash(this.#name);
      hash.#data = this.#data;
      return hash;
    }
  }

  class Hmac {
    #name; #key; #data = ''; #done = false;
    constructor(name, key) { this.#name = name; this.#key = key; }
    update(data, encoding) {
      if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#data += toNative(bytes(data, encoding, 'data'));
      return this;
    }
    digest(encoding) {
      // Node's gives nothing the second time.
      if (this.#done) return result(new Uint8Array(0), encoding);
      this.#done = true;
      return result(natives.hmac(this.#name, this.#key, this.#data), encoding);
    }
  }

  const offered = (name) => {
    if (known.has(plain(name))) return plain(name);
    throw coded(Error, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name} (engine "quickjs" has ${natives.hashes.join(', ')}; use engine = "node")`);
  };
  const createHash = (name) => {
    if (known.has(plain(name))) return new Hash(plain(name));
    throw Object.assign(new Error(`Digest method not supported (engine "quickjs" has ${natives.hashes.join(', ')}; use engine = "node")`),
      { code: 'ERR_OSSL_EVP_UNSUPPORTED' });
  };
  const createHmac = (name, key) => new Hmac(offered(name), toNative(bytes(key, undefined, 'key')));

  const later = (callback, value) => { use('internal/process').nextTick(callback, null, value); };
  // As many as one call of the native gives.
  const AT_ONCE = 65536, MOST = 2 ** 31 - 1;
  const fill = (target) => {
    for (let at = 0; at < target.length; at += AT_ONCE) target.set(natives.random(Math.min(AT_ONCE, target.length - at)), at);
    return target;
  };
  const randomBytes = (size, callback) => {
    if (typeof size !== 'number') throw new InvalidArgument('size', 'of type number', size);
    if (!(size >= 0 && size <= MOST)) throw new OutOfRange('size', `>= 0 && <= ${MOST}`, size);
    const drawn = fill(Buffer.alloc(size));
    return callback === undefined ? drawn : later(callback, drawn);
  };
  const randomFillSync = (target, offset = 0, size = target.byteLength - offset) => {
    fill(new Uint8Array(target.buffer ?? target, (target.byteOffset ?? 0) + offset, size));
    return target;
  };
  const randomInt = (low, high, callback) => {
    if (high === undefined || typeof high === 'function') [low, high, callback] = [0, low, high];
    for (const [name, value] of [['min', low], ['max', high]]) {
      if (!Number.isSafeInteger(value)) throw new InvalidArgument(name, 'a safe integer', value);
    }
    if (high <= low) throw new OutOfRange('max', `greater than the value of "min" (${low})`, high);
    const span = high - low;
    if (!(span <= 2 ** 48 - 1)) throw new OutOfRange(high === undefined ? 'max' : 'max - min', `<= ${2 ** 48 - 1}`, span);
    // What would make some numbers likelier than others is drawn again.
    const usable = 2 ** 48 - 2 ** 48 % span;
    let drawn;
    do drawn = randomBytes(6).readUIntBE(0, 6); while (drawn >= usable);
    const value = low + drawn % span;
    return callback === undefined ? value : later(callback, value);
  };
  const randomUUID = () => {
    const drawn = randomBytes(16);
    drawn[6] = drawn[6] & 0x0f | 0x40;
    drawn[8] = drawn[8] & 0x3f | 0x80;
    return drawn.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  };
  const timingSafeEqual = (one, other) => {
    const [left, right] = [bytes(one, undefined, 'buf1'), bytes(other, undefined, 'buf2')];
    if (left.length !== right.length) {
      throw coded(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
    }
    let difference = 0;
    for (let at = 0; at < left.length; at += 1) difference |= left[at] ^ right[at];
    return difference === 0;
  };

  module.exports = {
    createHash, createHmac, Hash, Hmac, randomBytes, pseudoRandomBytes: randomBytes, randomFillSync, randomInt, randomUUID, timingSafeEqual,
    getHashes: () => natives.hashes.slice(),
    getRandomValues: randomFillSync,
    hash: (name, data, encoding = 'hex') => createHash(name).update(data).digest(encoding),
    webcrypto: { getRandomValues: randomFillSync, randomUUID },
  };
})
