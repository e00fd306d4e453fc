// Errors as Node's own modules throw them.
(function (module, use) {
  'use strict';

  const received = (value) => {
    if (value === null || value === undefined) return `Received ${value}`;
    if (typeof value === 'function') return `Received function ${value.name}`;
    if (typeof value === 'object') {
      const name = value.constructor?.name;
      return name ? `Received an instance of ${name}` : `Received ${use('internal/inspect').inspect(value, { depth: -1 })}`;
    }
    let text = use('internal/inspect').inspect(value, { colors: false });
    if (text.length > 28) text = text.slice(0, 25) + '...';
    return `Received type ${typeof value} (${text})`;
  };

  // With a code, which also stands behind the name in the stack, as in Node.
  const coded = (Base, code, message) => {
    const error = new Base(message);
    const { name } = error;
    Object.defineProperty(error, 'name', { value: `${name} [${code}]`, configurable: true, writable: true });
    Error.captureStackTrace(error, coded);
    void error.stack;
    delete error.name;
    error.code = code;
    return error;
  };

  function InvalidArgument(name, expected, value) {
    const kind = name.endsWith(' argument') || name.includes('.') ? name : `"${name}" argument`;
    const subject = name.includes('.') ? `"${name}" property` : kind;
    return coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The ${subject} must be ${expected}. ${received(value)}`);
  }
  function OutOfRange(name, range, value) {
    return coded(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${value}`);
  }

  module.exports = { coded, InvalidArgument, OutOfRange, received };
})
