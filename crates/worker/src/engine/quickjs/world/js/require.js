// CommonJS modules: https://nodejs.org/docs/latest-v20.x/api/modules.html
(function (module, use, natives) {
  'use strict';

  const OFFERED = new Set(['assert', 'buffer', 'console', 'crypto', 'events', 'path', 'process', 'punycode', 'querystring',
    'string_decoder', 'timers', 'url', 'util']);
  const OTHER_NAMES = { 'assert/strict': () => use('assert').strict, 'path/posix': () => use('path'), sys: () => use('util'),
    'util/types': () => use('util').types, process: () => use('internal/process'), console: () => use('internal/console').console };
  const NOT_OFFERED = new Set(natives.notOffered);
  const { InvalidArgument } = use('internal/errors');

  const cache = Object.create(null);
  // What stands for the module that `app_context` is in.
  let main;

  function Module(id, parent) {
    this.id = id;
    this.path = id.slice(0, Math.max(id.lastIndexOf('/'), 1));
    this.exports = {};
    Object.defineProperty(this, 'parent', { value: parent, writable: true, configurable: true });
    this.filename = id;
    this.loaded = false;
    this.children = [];
    this.paths = natives.lookupPaths(this.path);
    if (parent !== undefined) parent.children.push(this);
  }
  Module.prototype.require = function (name) { return load(name, this); };

  const missing = (message, code, parent) => {
    const requireStack = [];
    for (let at = parent; at !== undefined && at !== main; at = at.parent) requireStack.push(at.filename);
    const stack = requireStack.length > 0 ? '\nRequire stack:\n- ' + requireStack.join('\n- ') : '';
    return Object.assign(new Error(message + stack), { code, requireStack });
  };

  // One of Node's own modules, or undefined.
  const builtin = (name, parent) => {
    const plain = name.startsWith('node:') ? name.slice(5) : name;
    if (Object.hasOwn(OTHER_NAMES, plain)) return { exports: OTHER_NAMES[plain]() };
    if (OFFERED.has(plain)) return { exports: use(plain) };
    if (NOT_OFFERED.has(plain)) {
      throw missing(`Cannot find module '${name}': engine "quickjs" does not offer it; use engine = "node"`, 'MODULE_NOT_FOUND', parent);
    }
    if (plain !== name) {
      throw Object.assign(new Error(`No such built-in module: ${name}`), { code: 'ERR_UNKNOWN_BUILTIN_MODULE' });
    }
    return undefined;
  };

  const find = (name, parent) => {
    const found = natives.resolve(name.toWellFormed(), parent.path);
    if (found.reason !== undefined) throw missing(found.reason, found.code, parent);
    return found;
  };

  const check = (name) => {
    if (typeof name !== 'string') throw new InvalidArgument('id', 'of type string', name);
    if (name === '') {
      const error = new TypeError("The argument 'id' must be a non-empty string. Received ''");
      throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
    }
  };

  const load = (name, parent) => {
    check(name);
    const own = builtin(name, parent);
    if (own !== undefined) return own.exports;
    const { path, json } = find(name, parent);
    const known = cache[path];
    if (known !== undefined) {
      if (!parent.children.includes(known)) parent.children.push(known);
      return known.exports;
    }
    const loading = new Module(path, parent);
    cache[path] = loading;
    let done = false;
    try {
      if (json) loading.exports = parse(path);
      else {
        const run = natives.script(path);
        natives.library(() => { run.call(loading.exports, loading.exports, requireOf(loading), loading, path, loading.path); });
      }
      done = true;
    } finally {
      if (!done) delete cache[path];
    }
    loading.loaded = true;
    return loading.exports;
  };

  const parse = (path) => {
    const text = natives.text(path);
    try {
      return JSON.parse(text);
    } catch (error) {
      error.message = path + ': ' + error.message;
      throw error;
    }
  };

  const requireOf = (parent) => {
    const require = function require(name) { return parent.require(name); };
    require.resolve = function resolve(name) {
      check(name);
      return builtin(name, parent) === undefined ? find(name, parent).path : name;
    };
    require.resolve.paths = function paths(name) {
      check(name);
      return OFFERED.has(name) || NOT_OFFERED.has(name) ? null : parent.paths.slice();
    };
    require.main = main;
    require.extensions = Object.create(null);
    require.cache = cache;
    return require;
  };

  const roots = natives.lookupPaths('/');
  main = new Module((roots[0] ?? '') + '/[app_context]');
  main.id = '.';
  const require = requireOf(main);

  // The object that an expression gives; a new one without an expression.
  const evaluate = (text) => {
    if (text === undefined || text === null || text === '') return {};
    const value = natives.expression(text, 'app_context').call(main.exports, main.exports, require, main, main.filename, main.path);
    if (value === null || typeof value !== 'object' && typeof value !== 'function') {
      throw new TypeError('app_context gives ' + String(value) + ', and not an object whose members could become globals');
    }
    return value;
  };

  module.exports = { require, evaluate };
})
