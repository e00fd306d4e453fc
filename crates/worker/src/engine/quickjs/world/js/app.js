// Makes the app's realm, which has what ECMAScript has, a silent console, and what it is given.
(function (global, stack, locale, members, api) {
  'use strict';

  stack(Error);
  locale({ Date, Number, String });

  const language = new Set(('globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent '
    + 'encodeURI encodeURIComponent escape unescape AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean '
    + 'DataView Date Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Int8Array Int16Array '
    + 'Int32Array Iterator Map Number Object Promise Proxy RangeError ReferenceError RegExp Set SharedArrayBuffer String Symbol '
    + 'SyntaxError TypeError Uint8Array Uint8ClampedArray Uint16Array Uint32Array URIError WeakMap WeakRef WeakSet Atomics JSON '
    + 'Math Reflect').split(' '));
  for (const name of Reflect.ownKeys(global)) {
    if (!language.has(name) && typeof name === 'string') delete global[name];
  }

  const silent = {};
  for (const name of ['debug', 'error', 'info', 'log', 'warn', 'dir', 'dirxml', 'table', 'trace', 'group', 'groupCollapsed', 'groupEnd',
    'clear', 'count', 'countReset', 'assert', 'profile', 'profileEnd', 'time', 'timeLog', 'timeEnd', 'timeStamp', 'context']) {
    silent[name] = { [name]() {} }[name];
  }
  Object.defineProperty(global, 'console', { value: silent, writable: true, configurable: true });

  // As if the object were the global itself, as it is in Node: members that it inherits are seen, too.
  for (const name in members) {
    if (!Object.hasOwn(members, name)) Object.defineProperty(global, name, { value: members[name], writable: true, configurable: true });
  }
  for (const name of Reflect.ownKeys(members)) {
    // What cannot be changed (`undefined` and the like) stays, as in Node.
    Reflect.defineProperty(global, name, Object.getOwnPropertyDescriptor(members, name));
  }
  Object.defineProperty(global, 'api', { value: api, writable: true, enumerable: true, configurable: true });
})
