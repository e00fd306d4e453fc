// https://nodejs.org/docs/latest-v20.x/api/util.html
(function (module, use) {
  'use strict';

  const { inspect, tag, isError, isMap, isSet, isDate, isRegExp, boxed } = use('internal/inspect');
  const { format, formatWithOptions } = use('internal/format');
  const { deepStrictEqual } = use('internal/equal');
  const { coded, InvalidArgument } = use('internal/errors');
  const { TextEncoder, TextDecoder } = use('internal/text_coding');

  const needFunction = (value, name) => {
    if (typeof value !== 'function') throw new InvalidArgument(name, 'of type function', value);
  };

  const inherits = (constructor, parent) => {
    if (constructor === undefined || constructor === null) throw new InvalidArgument('ctor', 'of type function', constructor);
    if (parent === undefined || parent === null) throw new InvalidArgument('superCtor', 'of type function', parent);
    if (parent.prototype === undefined) throw new InvalidArgument('superCtor.prototype', 'of type object', parent.prototype);
    Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
    Object.setPrototypeOf(constructor.prototype, parent.prototype);
  };

  const customPromisify = Symbol.for('nodejs.util.promisify.custom');
  const promisify = (original) => {
    needFunction(original, 'original');
    const own = original[customPromisify];
    if (own) {
      needFunction(own, 'util.promisify.custom');
      return Object.defineProperty(own, customPromisify, { value: own, configurable: true });
    }
    function promised(...given) {
      return new Promise((resolve, reject) => {
        Reflect.apply(original, this, [...given, (error, value) => { if (error) reject(error); else resolve(value); }]);
      });
    }
    Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
    Object.defineProperty(promised, customPromisify, { value: promised, configurable: true });
    return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
  };
  promisify.custom = customPromisify;

  const callbackify = (original) => {
    needFunction(original, 'original');
    function callbackified(...given) {
      const callback = given.pop();
      needFunction(callback, 'last argument');
      const { nextTick } = use('internal/process');
      Reflect.apply(original, this, given).then((value) => nextTick(callback, null, value), (reason) => {
        if (!reason) reason = Object.assign(coded(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value'), { reason });
        nextTick(callback, reason);
      });
    }
    const { name, length } = original;
    Object.defineProperty(callbackified, 'name', { value: `${name}Callbackified`, configurable: true });
    return Object.defineProperty(callbackified, 'length', { value: length + 1, configurable: true });
  };

  const warned = new Set();
  const deprecate = (original, message, code) => {
    let told = false;
    function deprecated(...given) {
      if (!told) {
        told = true;
        if (code === undefined || !warned.has(code)) use('internal/process').emitWarning(message, 'DeprecationWarning', code);
        warned.add(code);
      }
      return new.target ? Reflect.construct(original, given, new.target) : Reflect.apply(original, this, given);
    }
    Object.setPrototypeOf(deprecated, original);
    if (original.prototype) deprecated.prototype = original.prototype;
    return deprecated;
  };

  const named = (...names) => (value) => value !== null && typeof value === 'object' && names.includes(tag(value));
  const typed = (name) => (value) => ArrayBuffer.isView(value) && tag(value) === name;
  const types = {
    isAnyArrayBuffer: named('ArrayBuffer', 'SharedArrayBuffer'),
    isArrayBuffer: named('ArrayBuffer'),
    isArrayBufferView: ArrayBuffer.isView,
    isArgumentsObject: named('Arguments'),
    isAsyncFunction: (value) => typeof value === 'function' && ['AsyncFunction', 'AsyncGeneratorFunction'].includes(tag(value)),
    isBoxedPrimitive: (value) => value !== null && typeof value === 'object' && boxed(value) !== undefined,
    isBooleanObject: (value) => typeof value === 'object' && value !== null && boxed(value) === 'Boolean',
    isNumberObject: (value) => typeof value === 'object' && value !== null && boxed(value) === 'Number',
    isStringObject: (value) => typeof value === 'object' && value !== null && boxed(value) === 'String',
    isSymbolObject: (value) => typeof value === 'object' && value !== null && boxed(value) === 'Symbol',
    isBigIntObject: (value) => typeof value === 'object' && value !== null && boxed(value) === 'BigInt',
    isDataView: typed('DataView'),
    isDate: (value) => isDate(value),
    isExternal: () => false,
    isGeneratorFunction: (value) => typeof value === 'function' && ['GeneratorFunction', 'AsyncGeneratorFunction'].includes(tag(value)),
    isGeneratorObject: named('Generator'),
    isMap: (value) => isMap(value),
    isMapIterator: named('Map Iterator'),
    isModuleNamespaceObject: named('Module'),
    isNativeError: (value) => isError(value),
    isPromise: named('Promise'),
    isProxy: () => false,
    isRegExp: (value) => isRegExp(value),
    isSet: (value) => isSet(value),
    isSetIterator: named('Set Iterator'),
    isSharedArrayBuffer: named('SharedArrayBuffer'),
    isTypedArray: (value) => ArrayBuffer.isView(value) && tag(value) !== 'DataView',
    isWeakMap: named('WeakMap'),
    isWeakSet: named('WeakSet'),
  };
  for (const name of ['Int8Array', 'Int16Array', 'Int32Array', 'Uint8Array', 'Uint8ClampedArray', 'Uint16Array', 'Uint32Array', 'Float32Array',
    'Float64Array', 'BigInt64Array', 'BigUint64Array']) types[`is${name}`] = typed(name);

  module.exports = {
    inherits, promisify, callbackify, deprecate, inspect, format, formatWithOptions, TextEncoder, TextDecoder, types,
    isDeepStrictEqual: (one, other) => deepStrictEqual(one, other),
    stripVTControlCharacters: (text) => text.replace(/[\u001b\u009b][[\]()#;?]*(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-ORZcf-nqry=><~]/g, ''),
    toUSVString: (text) => String(text).toWellFormed(),
    debuglog: () => Object.assign(() => {}, { enabled: false }),
    debug: () => Object.assign(() => {}, { enabled: false }),
    log: (...what) => use('internal/console').console.log('%s', format(...what)),
    isArray: Array.isArray,
    isBoolean: (value) => typeof value === 'boolean',
    isBuffer: (value) => use('buffer').Buffer.isBuffer(value),
    isDate: types.isDate,
    isError: (value) => isError(value) || value instanceof Error,
    isFunction: (value) => typeof value === 'function',
    isNull: (value) => value === null,
    isNullOrUndefined: (value) => value === null || value === undefined,
    isNumber: (value) => typeof value === 'number',
    isObject: (value) => value !== null && typeof value === 'object',
    isPrimitive: (value) => value === null || typeof value !== 'object' && typeof value !== 'function',
    isRegExp: types.isRegExp,
    isString: (value) => typeof value === 'string',
    isSymbol: (value) => typeof value === 'symbol',
    isUndefined: (value) => value === undefined,
    _extend: (target, source) => source !== null && typeof source === 'object' ? Object.assign(target, source) : target,
  };
})
