(async (line, require) => {
  const kind = (value) => Object.prototype.toString.call(value).slice(8, -1);
  const show = (value, depth = 0) => {
    if (depth > 8) return '...';
    if (value === null || value === undefined || typeof value === 'boolean') return String(value);
    if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
    if (typeof value === 'bigint') return value + 'n';
    if (typeof value === 'string') return JSON.stringify(value);
    if (typeof value === 'symbol') return String(value);
    if (typeof value === 'function') return 'function ' + value.name + '/' + value.length;
    if (value instanceof Error) {
      return value.constructor.name + ':' + value.name + '(' + JSON.stringify(value.message) + ')' + (value.code === undefined ? '' : ' ' + show(value.code));
    }
    if (Buffer.isBuffer(value)) return 'Buffer<' + value.toString('hex') + '>';
    if (Array.isArray(value)) return '[' + Array.from(value, (item) => show(item, depth + 1)).join(', ') + ']';
    if (ArrayBuffer.isView(value)) return kind(value) + '[' + Array.from(value).join(', ') + ']';
    const own = Object.getPrototypeOf(value) === null ? 'null ' : value.constructor === Object ? '' : kind(value) + ' ';
    return own + '{' + Object.keys(value).map((key) => JSON.stringify(key) + ': ' + show(value[key], depth + 1)).join(', ') + '}';
  };
  try {
    return show(await new Function('require', 'return (' + line + '\n)')(require));
  } catch (error) {
    return 'throws ' + show(error);
  }
})
