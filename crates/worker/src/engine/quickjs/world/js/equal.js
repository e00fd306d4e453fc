// Deep equality, as `assert.deepEqual` and `util.isDeepStrictEqual` have it:
// https://nodejs.org/docs/latest-v20.x/api/assert.html#comparison-details
(function (module, use) {
  'use strict';

  const { tag, isError, isMap, isSet, isDate, isRegExp, boxed, BOXED } = use('internal/inspect');
  const has = (value, key) => Object.prototype.propertyIsEnumerable.call(value, key);
  const primitive = (value) => value === null || typeof value !== 'object' && typeof value !== 'function';

  const equal = (one, other, strict, seen) => {
    if (one === other) return one !== 0 || !strict || Object.is(one, other);
    if (primitive(one) || primitive(other) || typeof one === 'function' || typeof other === 'function') {
      if (strict) return typeof one === 'number' && Number.isNaN(one) && Number.isNaN(other);
      // eslint-disable-next-line eqeqeq -- this is what "loosely" means
      return primitive(one) && primitive(other) && (one == other || Number.isNaN(one) && Number.isNaN(other));
    }
    if (strict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
    if (tag(one) !== tag(other) || Array.isArray(one) !== Array.isArray(other)) return false;
    if (Array.isArray(one) && one.length !== other.length) return false;
    if (isDate(one) !== isDate(other) || isDate(one) && one.getTime() !== other.getTime()) return false;
    if (isRegExp(one) !== isRegExp(other)) return false;
    if (isRegExp(one) && (one.source !== other.source || one.flags !== other.flags || one.lastIndex !== other.lastIndex)) return false;
    if (isError(one) !== isError(other)) return false;
    if (isError(one) && (one.message !== other.message || one.name !== other.name)) return false;
    const kind = boxed(one);
    if (kind !== boxed(other)) return false;
    if (kind !== undefined && !Object.is(BOXED[kind].valueOf.call(one), BOXED[kind].valueOf.call(other))) return false;
    if (ArrayBuffer.isView(one)) {
      if (one.length !== other.length || one.byteLength !== other.byteLength) return false;
      if (one.length !== undefined && !Array.prototype.every.call(one, (item, at) => strict ? Object.is(item, other[at]) : item === other[at])) return false;
    }
    return inside(one, other, strict, seen);
  };

  const keysOf = (value, strict) => {
    const keys = ArrayBuffer.isView(value) ? Object.keys(value).filter((key) => !/^\d+$/.test(key)) : Object.keys(value);
    return strict ? [...keys, ...Object.getOwnPropertySymbols(value).filter((key) => has(value, key))] : keys;
  };

  const inside = (one, other, strict, seen) => {
    const keys = keysOf(one, strict);
    if (keys.length !== keysOf(other, strict).length || !keys.every((key) => has(other, key))) return false;
    // What is being compared already is equal unless something else is not.
    if (seen.some(([left, right]) => left === one && right === other)) return true;
    seen = [...seen, [one, other]];
    if (isSet(one) !== isSet(other) || isSet(one) && !sets(one, other, strict, seen)) return false;
    if (isMap(one) !== isMap(other) || isMap(one) && !maps(one, other, strict, seen)) return false;
    return keys.every((key) => equal(one[key], other[key], strict, seen));
  };

  const sets = (one, other, strict, seen) => {
    if (one.size !== other.size) return false;
    const rest = [...other].filter((item) => !one.has(item));
    for (const item of one) {
      if (other.has(item)) continue;
      const at = rest.findIndex((candidate) => equal(item, candidate, strict, seen));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  };

  const maps = (one, other, strict, seen) => {
    if (one.size !== other.size) return false;
    const rest = [...other].filter(([key]) => !one.has(key));
    for (const [key, value] of one) {
      if (other.has(key)) {
        if (!equal(value, other.get(key), strict, seen)) return false;
        continue;
      }
      const at = rest.findIndex(([candidate, its]) => equal(key, candidate, strict, seen) && equal(value, its, strict, seen));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  };

  module.exports = {
    deepEqual: (one, other) => equal(one, other, false, []),
    deepStrictEqual: (one, other) => equal(one, other, true, []),
  };
})
