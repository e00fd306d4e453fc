// URL and URLSearchParams: https://url.spec.whatwg.org/
(function (module, use, natives) {
  'use strict';

  const { coded } = use('internal/errors');
  const { custom, inspect } = use('internal/inspect');
  const { utf8Decode, utf8Length, utf8Write, toNative } = use('internal/bytes');
  const querystring = use('querystring');

  const clean = (value) => `${value}`.toWellFormed();
  const formEncode = (text) => {
    const bytes = new Uint8Array(utf8Length(text));
    utf8Write(bytes, text, 0, bytes.length);
    let result = '';
    for (const byte of bytes) {
      const sign = String.fromCharCode(byte);
      if (byte === 0x20) result += '+';
      else if (/[a-zA-Z0-9*\-._]/.test(sign)) result += sign;
      else result += '%' + byte.toString(16).toUpperCase().padStart(2, '0');
    }
    return result;
  };
  const formDecode = (text) => {
    const bytes = new Uint8Array(utf8Length(text));
    utf8Write(bytes, text, 0, bytes.length);
    return utf8Decode(querystring.unescapeBuffer(toNative(bytes), true));
  };
  const missing = (name) => coded(TypeError, 'ERR_MISSING_ARGS', `The "${name}" argument must be specified`);

  class URLSearchParams {
    #pairs = [];
    #changed = undefined;
    constructor(init = undefined) {
      if (init === undefined || init === null) return;
      if (typeof init === 'object' || typeof init === 'function') {
        const iterator = init[Symbol.iterator];
        if (iterator !== undefined && iterator !== null) {
          if (typeof iterator !== 'function') throw coded(TypeError, 'ERR_ARG_NOT_ITERABLE', 'Query pairs must be iterable');
          for (const pair of init) {
            const [...both] = typeof pair === 'object' && pair !== null ? pair : [];
            if (both.length !== 2) throw coded(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
            this.#pairs.push([clean(both[0]), clean(both[1])]);
          }
        } else for (const key of Reflect.ownKeys(init)) {
          if (Object.getOwnPropertyDescriptor(init, key)?.enumerable) this.#pairs.push([clean(key), clean(init[key])]);
        }
      } else this.#read(clean(init));
    }
    #read(text) {
      this.#pairs = [];
      for (const pair of (text.startsWith('?') ? text.slice(1) : text).split('&')) {
        if (pair === '') continue;
        const at = pair.indexOf('=');
        this.#pairs.push(at < 0 ? [formDecode(pair), ''] : [formDecode(pair.slice(0, at)), formDecode(pair.slice(at + 1))]);
      }
    }
    // Of a URL: what is changed here is changed there.
    static follow(text, changed) {
      const params = new URLSearchParams(text);
      params.#changed = changed;
      return params;
    }
    static refresh(params, text) { params.#read(text); }
    #update() { this.#changed?.(this.toString()); }
    get size() { return this.#pairs.length; }
    append(name, value) {
      if (arguments.length < 2) throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "name" and "value" arguments must be specified');
      this.#pairs.push([clean(name), clean(value)]);
      this.#update();
    }
    delete(name, value) {
      if (arguments.length < 1) throw missing('name');
      name = clean(name);
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== name || value !== undefined && pair[1] !== clean(value));
      this.#update();
    }
    get(name) {
      if (arguments.length < 1) throw missing('name');
      return this.#pairs.find((pair) => pair[0] === clean(name))?.[1] ?? null;
    }
    getAll(name) {
      if (arguments.length < 1) throw missing('name');
      return this.#pairs.filter((pair) => pair[0] === clean(name)).map((pair) => pair[1]);
    }
    has(name, value) {
      if (arguments.length < 1) throw missing('name');
      return this.#pairs.some((pair) => pair[0] === clean(name) && (value === undefined || pair[1] === clean(value)));
    }
    set(name, value) {
      if (arguments.length < 2) throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "name" and "value" arguments must be specified');
      name = clean(name);
      const first = this.#pairs.findIndex((pair) => pair[0] === name);
      if (first < 0) this.#pairs.push([name, clean(value)]);
      else {
        this.#pairs[first][1] = clean(value);
        this.#pairs = this.#pairs.filter((pair, at) => at <= first || pair[0] !== name);
      }
      this.#update();
    }
    sort() {
      this.#pairs.sort((one, other) => one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0);
      this.#update();
    }
    forEach(callback, that) { for (const [name, value] of this.#pairs) callback.call(that, value, name, this); }
    *entries() { for (let at = 0; at < this.#pairs.length; at += 1) yield [...this.#pairs[at]]; }
    *keys() { for (let at = 0; at < this.#pairs.length; at += 1) yield this.#pairs[at][0]; }
    *values() { for (let at = 0; at < this.#pairs.length; at += 1) yield this.#pairs[at][1]; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join('&'); }
    [custom](_depth, options) {
      if (this.#pairs.length === 0) return 'URLSearchParams {}';
      return `URLSearchParams { ${this.#pairs.map(([name, value]) => `${inspect(name, options)} => ${inspect(value, options)}`).join(', ')} }`;
    }
  }
  const { follow, refresh } = URLSearchParams;
  delete URLSearchParams.follow;
  delete URLSearchParams.refresh;
  Object.defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: 'URLSearchParams', configurable: true });

  class URL {
    #parts; #params;
    constructor(input, base = undefined) {
      if (arguments.length === 0) throw missing('url');
      const text = clean(input);
      this.#parts = natives.urlParse(text, base === undefined ? undefined : clean(base));
      if (this.#parts === undefined) {
        throw Object.assign(coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input: text, ...base !== undefined && { base: clean(base) } });
      }
    }
    static canParse(input, base = undefined) { return natives.urlParse(clean(input), base === undefined ? undefined : clean(base)) !== undefined; }
    get(part) { return this.#parts[part]; }
    set(part, value) {
      this.#parts = natives.urlSet(this.#parts.href, part, clean(value));
      if (this.#params !== undefined && part === 'search') refresh(this.#params, this.#parts.search);
    }
    get href() { return this.#parts.href; }
    set href(value) {
      const parts = natives.urlParse(clean(value), undefined);
      if (parts === undefined) throw Object.assign(coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input: clean(value) });
      this.#parts = parts;
      if (this.#params !== undefined) refresh(this.#params, parts.search);
    }
    get origin() { return this.#parts.origin; }
    get searchParams() {
      this.#params ??= follow(this.#parts.search, (text) => { this.#parts = natives.urlSet(this.#parts.href, 'search', text); });
      return this.#params;
    }
    toString() { return this.#parts.href; }
    toJSON() { return this.#parts.href; }
    [custom](depth, options) {
      if (typeof depth === 'number' && depth < 0) return this.href;
      const shown = {};
      for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search',
        'searchParams', 'hash']) shown[name] = this[name];
      return `URL ${inspect(shown, options)}`;
    }
  }
  const { get, set } = URL.prototype;
  delete URL.prototype.get;
  delete URL.prototype.set;
  for (const part of ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
    Object.defineProperty(URL.prototype, part, {
      enumerable: true, configurable: true, get() { return get.call(this, part); }, set(value) { set.call(this, part, value); },
    });
  }
  for (const name of ['href', 'origin', 'searchParams', 'toString', 'toJSON']) {
    Object.defineProperty(URL.prototype, name, { ...Object.getOwnPropertyDescriptor(URL.prototype, name), enumerable: true });
  }
  Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: 'URL', configurable: true });

  module.exports = { URL, URLSearchParams };
})
