// `util.format`: https://nodejs.org/docs/latest-v20.x/api/util.html#utilformatformat-args
(function (module, use) {
  'use strict';

  const { inspect } = use('internal/inspect');

  // Those of the language, whose own strings say less than can be shown.
  const OTHERS = new Set(['Buffer', 'URL', 'URLSearchParams', 'TextEncoder', 'TextDecoder', 'DOMException']);
  const BUILT_IN = new Set(Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][a-zA-Z0-9]+$/.test(name) && !OTHERS.has(name)));

  // Whether an object says itself what its string is.
  const speaks = (value) => {
    if (typeof value.toString !== 'function') return false;
    if (Object.hasOwn(value, 'toString')) return true;
    for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
      if (!Object.hasOwn(at, 'toString')) continue;
      const name = Object.getOwnPropertyDescriptor(at, 'constructor')?.value?.name;
      return !BUILT_IN.has(name);
    }
    return false;
  };

  const json = (value) => {
    try {
      return JSON.stringify(value);
    } catch (error) {
      if (/circular/i.test(error.message)) return '[Circular]';
      throw error;
    }
  };

  const one = (options, letter, value) => {
    switch (letter) {
      case 's':
        if (typeof value === 'bigint') return `${value}n`;
        if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
        if (value === null || typeof value !== 'object') return typeof value === 'symbol' ? value.toString() : String(value);
        return speaks(value) ? String(value) : inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
      case 'd':
        if (typeof value === 'bigint') return `${value}n`;
        return typeof value === 'symbol' ? 'NaN' : Object.is(Number(value), -0) ? '-0' : String(Number(value));
      case 'i':
        if (typeof value === 'bigint') return `${value}n`;
        return typeof value === 'symbol' ? 'NaN' : String(parseInt(value, 10));
      case 'f': return typeof value === 'symbol' ? 'NaN' : String(parseFloat(value));
      case 'j': return json(value);
      case 'o': return inspect(value, { ...options, showHidden: true, showProxy: true, depth: 4 });
      case 'O': return inspect(value, options);
      default: return '';
    }
  };

  const formatWithOptions = (options, ...given) => {
    let at = 0, text = '';
    if (typeof given[0] === 'string') {
      if (given.length === 1) return given[0];
      at = 1;
      text = given[0].replace(/%[sdifjoOc%]/g, (found) => {
        if (found === '%%') return '%';
        if (at >= given.length) return found;
        const value = given[at++];
        return one(options, found[1], value);
      });
    }
    for (; at < given.length; at += 1) {
      const value = given[at];
      text += (at > 0 ? ' ' : '') + (typeof value === 'string' ? value : inspect(value, { ...options, compact: 3, colors: false, depth: 2 }));
    }
    return text;
  };

  module.exports = { format: (...given) => formatWithOptions(undefined, ...given), formatWithOptions };
})
