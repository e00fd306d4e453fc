// https://nodejs.org/docs/latest-v20.x/api/buffer.html
(function (module, use, natives, global) {
  'use strict';

  const { encoding, utf8Decode } = use('internal/bytes');
  const { coded, InvalidArgument, OutOfRange } = use('internal/errors');
  const { inspect, custom } = use('internal/inspect');
  const MAX_LENGTH = 2 ** 32;
  let shownBytes = 50;

  // What is returned everywhere. `Buffer` itself can be called without `new`, so it cannot be the class.
  class FastBuffer extends Uint8Array {}

  const codec = (name) => {
    if (name === undefined || name === null || name === '') return encoding('utf8');
    const known = typeof name === 'string' ? encoding(name) : undefined;
    if (known === undefined) throw coded(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`);
    return known;
  };
  const sizeOf = (size) => {
    if (typeof size !== 'number') throw new InvalidArgument('size', 'of type number', size);
    if (!(size >= 0 && size <= MAX_LENGTH)) throw new OutOfRange('size', `>= 0 && <= ${MAX_LENGTH}`, size);
    return size;
  };
  const isBuffered = (value) => /ArrayBuffer\]$/.test(Object.prototype.toString.call(value));
  const view = (bytes, name) => {
    if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    throw new InvalidArgument(name, 'an instance of Buffer or Uint8Array', bytes);
  };

  const fromString = (text, name) => {
    const { length, write } = codec(name);
    const bytes = new FastBuffer(length(text));
    const written = write(bytes, text, 0, bytes.length);
    return written < bytes.length ? bytes.subarray(0, written) : bytes;
  };
  const fromList = (list) => {
    const length = Number(list.length);
    const bytes = new FastBuffer(length > 0 ? length : 0);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = list[at];
    return bytes;
  };

  function Buffer(value, encodingOrOffset, length) {
    if (typeof value === 'number') {
      if (typeof encodingOrOffset === 'string') throw new InvalidArgument('string', 'of type string', value);
      return Buffer.alloc(value);
    }
    return Buffer.from(value, encodingOrOffset, length);
  }
  Object.defineProperty(Buffer, 'prototype', { value: FastBuffer.prototype });
  Object.setPrototypeOf(Buffer, Uint8Array);
  Object.defineProperty(FastBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
  Object.defineProperty(Buffer, Symbol.species, { get: () => FastBuffer, configurable: true });

  const statics = {
    poolSize: 8192,
    from(value, encodingOrOffset, length) {
      if (typeof value === 'string') return fromString(value, encodingOrOffset);
      if (value !== null && (typeof value === 'object' || typeof value === 'function')) {
        if (isBuffered(value)) return new FastBuffer(value, encodingOrOffset, length);
        const plain = value.valueOf?.();
        if (plain !== null && plain !== undefined && plain !== value && (typeof plain === 'string' || typeof plain === 'object')) {
          return Buffer.from(plain, encodingOrOffset, length);
        }
        if (value.length !== undefined || isBuffered(value.buffer)) return fromList(value.length === undefined ? [] : value);
        if (value.type === 'Buffer' && Array.isArray(value.data)) return fromList(value.data);
        if (typeof value[Symbol.toPrimitive] === 'function') {
          const primitive = value[Symbol.toPrimitive]('string');
          if (typeof primitive === 'string') return fromString(primitive, encodingOrOffset);
        }
      }
      throw new InvalidArgument('first argument',
        'of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object', value);
    },
    of: (...items) => fromList(items),
    alloc(size, fill, name) {
      const bytes = new FastBuffer(sizeOf(size));
      return fill === undefined || fill === 0 || size === 0 ? bytes : bytes.fill(fill, name);
    },
    allocUnsafe: (size) => new FastBuffer(sizeOf(size)),
    allocUnsafeSlow: (size) => new FastBuffer(sizeOf(size)),
    isBuffer: (value) => value instanceof Buffer,
    isEncoding: (name) => typeof name === 'string' && name.length !== 0 && encoding(name) !== undefined,
    byteLength(value, name) {
      if (typeof value === 'string') return (encoding(name ?? 'utf8') ?? encoding('utf8')).length(value);
      if (ArrayBuffer.isView(value) || isBuffered(value)) return value.byteLength;
      throw new InvalidArgument('string', 'of type string or an instance of Buffer or ArrayBuffer', value);
    },
    compare(one, other) {
      const [left, right] = [view(one, 'buf1'), view(other, 'buf2')];
      const length = Math.min(left.length, right.length);
      for (let at = 0; at < length; at += 1) if (left[at] !== right[at]) return left[at] < right[at] ? -1 : 1;
      return Math.sign(left.length - right.length);
    },
    concat(list, length) {
      if (!Array.isArray(list)) throw new InvalidArgument('list', 'an instance of Array', list);
      const total = length === undefined ? list.reduce((sum, bytes) => sum + bytes.length, 0) : sizeOf(length);
      const result = new FastBuffer(total);
      let put = 0;
      list.forEach((bytes, at) => {
        const part = view(bytes, `list[${at}]`).subarray(0, Math.max(0, total - put));
        result.set(part, put);
        put += part.length;
      });
      return result;
    },
  };
  for (const [name, value] of Object.entries(statics)) Buffer[name] = value;

  const range = (bytes, start, end) => {
    start = start === undefined || start <= 0 ? 0 : Math.trunc(start) || 0;
    end = end === undefined || end >= bytes.length ? bytes.length : Math.trunc(end) || 0;
    return [start, end];
  };
  const text = (name) => function (start, end) {
    [start, end] = range(this, start, end);
    return start < end ? encoding(name).decode(this, start, end) : '';
  };
  const writer = (name) => function (string, offset = 0, length = this.length - offset) {
    return encoding(name).write(this, string, offset, Math.min(this.length, offset + length));
  };
  // The first or last place of some bytes.
  const find = (bytes, what, from, name, backward) => {
    if (typeof from === 'string') { name = from; from = undefined; }
    from = Number(from);
    let at = Number.isNaN(from) ? backward ? bytes.length : 0 : Math.trunc(from);
    if (at < 0) at += bytes.length;
    if (typeof what === 'number') what = [what & 0xff];
    else if (typeof what === 'string') what = fromString(what, name);
    else if (!ArrayBuffer.isView(what)) throw new InvalidArgument('value', 'one of type number or string or an instance of Buffer or Uint8Array', what);
    if (backward && at < 0) return -1;
    at = Math.min(Math.max(at, 0), backward ? bytes.length - what.length : bytes.length);
    if (what.length === 0) return backward ? Math.max(at, 0) : at;
    const step = backward ? -1 : 1;
    for (; at >= 0 && at + what.length <= bytes.length; at += step) {
      let same = 0;
      while (same < what.length && bytes[at + same] === what[same]) same += 1;
      if (same === what.length) return at;
    }
    return -1;
  };

  const methods = {
    toString(name, start, end) {
      const { decode } = codec(name);
      [start, end] = range(this, start, end);
      return start < end ? decode(this, start, end) : '';
    },
    toJSON() { return { type: 'Buffer', data: [...this] }; },
    equals(other) {
      if (!ArrayBuffer.isView(other)) throw new InvalidArgument('otherBuffer', 'an instance of Buffer or Uint8Array', other);
      return this === other || this.byteLength === other.byteLength && Buffer.compare(this, other) === 0;
    },
    compare(target, targetStart = 0, targetEnd = target.length, start = 0, end = this.length) {
      return Buffer.compare(this.subarray(start, end), view(target, 'target').subarray(targetStart, targetEnd));
    },
    copy(target, targetStart = 0, start = 0, end = this.length) {
      targetStart = Math.trunc(targetStart) || 0;
      if (targetStart < 0) throw new OutOfRange('targetStart', '>= 0', targetStart);
      const part = Uint8Array.prototype.subarray.call(this, start, end);
      const room = view(target, 'target').length - targetStart;
      if (room <= 0) return 0;
      const copied = part.subarray(0, room);
      view(target, 'target').set(copied, targetStart);
      return copied.length;
    },
    slice(start, end) { return this.subarray(start, end); },
    subarray(start, end) {
      const part = Uint8Array.prototype.subarray.call(this, Math.trunc(start) || 0, end === undefined ? undefined : Math.trunc(end) || 0);
      return Object.setPrototypeOf(part, FastBuffer.prototype);
    },
    write(string, offset, length, name) {
      if (typeof string !== 'string') throw new InvalidArgument('argument', 'of type string', string);
      if (typeof offset === 'string') [name, offset, length] = [offset, undefined, undefined];
      else if (typeof length === 'string') [name, length] = [length, undefined];
      offset = offset === undefined ? 0 : Math.trunc(offset);
      if (!(offset >= 0 && offset <= this.length)) throw new OutOfRange('offset', `>= 0 && <= ${this.length}`, offset);
      const room = this.length - offset;
      return codec(name).write(this, string, offset, offset + Math.min(length === undefined ? room : length, room));
    },
    fill(value, start, end, name) {
      if (typeof start === 'string') [name, start, end] = [start, 0, this.length];
      else if (typeof end === 'string') [name, end] = [end, this.length];
      start = start === undefined ? 0 : start;
      end = end === undefined ? this.length : end;
      if (typeof value === 'string') {
        value = fromString(value, name);
        if (value.length === 0) value = 0;
      } else if (typeof value === 'boolean') value = Number(value);
      if (typeof value === 'number') return Uint8Array.prototype.fill.call(this, value & 0xff, start, end);
      if (value.length === 0) throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'value' is invalid. Received ${inspect(value)}`);
      for (let at = start; at < end; at += 1) this[at] = value[(at - start) % value.length];
      return this;
    },
    indexOf(what, from, name) { return find(this, what, from, name, false); },
    lastIndexOf(what, from, name) { return find(this, what, from, name, true); },
    includes(what, from, name) { return find(this, what, from, name, false) >= 0; },
    toLocaleString(name, start, end) { return this.toString(name, start, end); },
    inspect() { return this[custom](); },
    [custom](_depth, options) {
      const most = Math.min(shownBytes, this.length);
      let bytes = [...this.subarray(0, most)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      const rest = this.length - most;
      if (rest > 0) bytes += ` ... ${rest} more byte${rest > 1 ? 's' : ''}`;
      const keys = Object.keys(this).filter((key) => !/^\d+$/.test(key));
      if (keys.length > 0) {
        const own = inspect(Object.fromEntries(keys.map((key) => [key, this[key]])), { ...options, breakLength: Infinity, compact: true });
        bytes += `${this.length > 0 ? ', ' : ''}${own.slice(2, -2)}`;
      }
      return `<${this.constructor.name} ${bytes}>`;
    },
    swap16() { return swap(this, 2); },
    swap32() { return swap(this, 4); },
    swap64() { return swap(this, 8); },
    asciiSlice: text('ascii'), base64Slice: text('base64'), base64urlSlice: text('base64url'), latin1Slice: text('latin1'),
    hexSlice: text('hex'), ucs2Slice: text('utf16le'), utf8Slice: text('utf8'),
    asciiWrite: writer('ascii'), base64Write: writer('base64'), latin1Write: writer('latin1'), hexWrite: writer('hex'),
    ucs2Write: writer('utf16le'), utf8Write: writer('utf8'),
  };
  const swap = (bytes, size) => {
    if (bytes.length % size !== 0) throw coded(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
    for (let at = 0; at < bytes.length; at += size) Uint8Array.prototype.reverse.call(bytes.subarray(at, at + size));
    return bytes;
  };

  // Numbers. -----------------------------------------------------------------------------------------------------------------------

  const place = (bytes, offset, size) => {
    if (typeof offset !== 'number') throw new InvalidArgument('offset', 'of type number', offset);
    if (!Number.isInteger(offset)) throw new OutOfRange('offset', 'an integer', offset);
    if (bytes.length - size < 0) throw coded(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
    if (offset < 0 || offset > bytes.length - size) throw new OutOfRange('offset', `>= 0 and <= ${bytes.length - size}`, offset);
    return new DataView(bytes.buffer, bytes.byteOffset + offset, size);
  };
  const grouped = (value) => {
    const large = typeof value === 'bigint' ? 2n ** 32n : 2 ** 32;
    const [, sign, digits] = /^(-?)(\d+)$/.exec(String(value)) ?? [];
    if (digits === undefined || value <= large && value >= -large) return String(value);
    return sign + digits.replace(/\B(?=(\d{3})+$)/g, '_');
  };
  const bounded = (value, low, high, bits, signed) => {
    if (!(value < low || value > high)) return;
    const n = typeof value === 'bigint' ? 'n' : '';
    let span = `>= ${low}${n} and <= ${high}${n}`;
    if (bits > 32) span = signed ? `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}` : `>= 0${n} and < 2${n} ** ${bits}${n}`;
    throw new OutOfRange('value', span, typeof value === 'bigint' ? `${grouped(value)}n` : grouped(value));
  };
  for (const [name, size, kind] of [['Int8', 1], ['Int16', 2], ['Int32', 4], ['Float', 4, 'Float32'], ['Double', 8, 'Float64'],
    ['BigInt64', 8, 'BigInt64'], ['UInt8', 1, 'Uint8'], ['UInt16', 2, 'Uint16'], ['UInt32', 4, 'Uint32'], ['BigUInt64', 8, 'BigUint64']]) {
    const method = kind ?? name, integer = !/Float|Double/.test(name), signed = !name.includes('UInt');
    for (const end of size === 1 ? [''] : ['LE', 'BE']) {
      const little = end === 'LE';
      const read = function (offset = 0) { return place(this, offset, size)[`get${method}`](0, little); };
      const write = function (value, offset = 0) {
        if (integer) {
          const big = name.startsWith('Big');
          if (big && typeof value !== 'bigint') throw new InvalidArgument('value', 'of type bigint', value);
          if (!big) value = Number(value);
          const one = big ? 1n : 1, two = big ? 2n : 2, bits = big ? BigInt(size * 8) : size * 8;
          bounded(value, signed ? -(two ** (bits - one)) : big ? 0n : 0, signed ? two ** (bits - one) - one : two ** bits - one, size * 8, signed);
        }
        place(this, offset, size)[`set${method}`](0, integer && typeof value === 'number' ? Math.trunc(value) || 0 : value, little);
        return offset + size;
      };
      for (const spelled of signed ? [name] : [name, name.replace('UInt', 'Uint')]) {
        methods[`read${spelled}${end}`] = read;
        methods[`write${spelled}${end}`] = write;
      }
    }
  }
  for (const little of [true, false]) {
    for (const signed of [true, false]) {
      const end = little ? 'LE' : 'BE';
      const limit = (size) => {
        if (typeof size !== 'number') throw new InvalidArgument('byteLength', 'of type number', size);
        if (!(Number.isInteger(size) && size >= 1 && size <= 6)) throw new OutOfRange('byteLength', '>= 1 and <= 6', size);
      };
      const read = function (offset, size) {
        limit(size);
        const at = place(this, offset, size);
        let value = 0;
        for (let byte = 0; byte < size; byte += 1) value = value * 256 + at.getUint8(little ? size - 1 - byte : byte);
        return signed && value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
      };
      const write = function (value, offset, size) {
        limit(size);
        value = Number(value);
        bounded(value, signed ? -(2 ** (size * 8 - 1)) : 0, 2 ** (size * 8 - (signed ? 1 : 0)) - 1, size * 8, signed);
        const at = place(this, offset, size);
        let rest = value < 0 ? value + 2 ** (size * 8) : value;
        for (let byte = 0; byte < size; byte += 1) {
          at.setUint8(little ? byte : size - 1 - byte, rest % 256);
          rest = Math.floor(rest / 256);
        }
        return offset + size;
      };
      for (const spelled of signed ? ['Int'] : ['UInt', 'Uint']) {
        methods[`read${spelled}${end}`] = read;
        methods[`write${spelled}${end}`] = write;
      }
    }
  }

  for (const name of Reflect.ownKeys(methods)) {
    Object.defineProperty(FastBuffer.prototype, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
  }
  for (const [name, from] of [['parent', 'buffer'], ['offset', 'byteOffset']]) {
    Object.defineProperty(FastBuffer.prototype, name, {
      enumerable: true, configurable: true, get() { return this instanceof Buffer ? this[from] : undefined; },
    });
  }

  function SlowBuffer(size) { return Buffer.allocUnsafeSlow(size); }
  Object.setPrototypeOf(SlowBuffer, Uint8Array);

  module.exports = {
    Buffer,
    SlowBuffer,
    kMaxLength: MAX_LENGTH,
    kStringMaxLength: 2 ** 29 - 24,
    constants: { MAX_LENGTH, MAX_STRING_LENGTH: 2 ** 29 - 24 },
    atob: global.atob,
    btoa: global.btoa,
    isAscii: (bytes) => view(bytes, 'input').every((byte) => byte < 0x80),
    isUtf8: (bytes) => fromString(utf8Decode(view(bytes, 'input'))).equals(view(bytes, 'input')),
  };
  Object.defineProperty(module.exports, 'INSPECT_MAX_BYTES', { enumerable: true, get: () => shownBytes, set(count) { shownBytes = count; } });
})
