// `util.inspect`: https://nodejs.org/docs/latest-v20.x/api/util.html#utilinspectobject-options
(function (module) {
  'use strict';

  const custom = Symbol.for('nodejs.util.inspect.custom');
  const defaults = {
    showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100, maxStringLength: 10000,
    breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
  };
  // Beyond this, entries of an object are broken into lines.
  const WIDTH = 76, WIDE = 16, GROUPED = 6;

  const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
  const plain = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
  const ESCAPES = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' };
  const escaped = (sign, quote) => {
    if (sign === quote) return '\\' + sign;
    return ESCAPES[sign] ?? (sign.length === 1 && sign >= '\ud800' && sign <= '\udfff' ? '\\u' + sign.charCodeAt(0).toString(16)
      : '\\x' + sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'));
  };
  const quoted = (text) => {
    const quote = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') && !text.includes('${') ? '`' : "'";
    return quote + text.replace(/[\0-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      (sign) => sign === "'" && quote !== "'" ? sign : escaped(sign, quote)) + quote;
  };
  const number = (value) => Object.is(value, -0) ? '-0' : String(value);
  const STYLES = {
    number: [33, 39], bigint: [33, 39], boolean: [33, 39], string: [32, 39], symbol: [32, 39], undefined: [90, 39], null: [1, 22],
    special: [36, 39], date: [35, 39], regexp: [31, 39], name: null,
  };
  const style = (state, text, kind) => state.colors && STYLES[kind] ? `\u001b[${STYLES[kind][0]}m${text}\u001b[${STYLES[kind][1]}m` : text;

  const long = (state, text) => {
    const rest = text.length - state.maxStringLength;
    return rest > 0 ? [text.slice(0, state.maxStringLength), `... ${rest} more character${rest > 1 ? 's' : ''}`] : [text, ''];
  };
  const primitive = (state, value) => {
    if (value === null) return style(state, 'null', 'null');
    switch (typeof value) {
      case 'string': {
        const [text, more] = long(state, value);
        // Lines of their own for what has several and is long.
        if (state.compact !== true && text.length > WIDE && text.length > state.breakLength - state.indentation - 4 && text.includes('\n')) {
          const lines = text.match(/[^\n]*\n|[^\n]+$/g);
          return lines.map((line) => style(state, quoted(line), 'string')).join(' +\n' + ' '.repeat(state.indentation + 2)) + more;
        }
        return style(state, quoted(text), 'string') + more;
      }
      case 'number': return style(state, number(value), 'number');
      case 'bigint': return style(state, `${value}n`, 'bigint');
      case 'symbol': return style(state, Symbol.prototype.toString.call(value), 'symbol');
      default: return style(state, String(value), typeof value);
    }
  };

  const isInstance = (value, constructor) => { try { return value instanceof constructor; } catch { return false; } };
  const constructorName = (value) => {
    for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
      const own = Object.getOwnPropertyDescriptor(at, 'constructor');
      if (own !== undefined && typeof own.value === 'function' && own.value.name !== ''
        && isInstance(value, own.value)) return own.value.name;
    }
    return null;
  };
  // `Name {` and the like; nothing for what is what it looks like.
  const prefix = (name, kind, toStringTag, size = '') => {
    const shown = name === null ? `[${kind}${size}: null prototype] ` : `${name}${size} `;
    return toStringTag !== '' && toStringTag !== name ? `${shown}[${toStringTag}] ` : shown;
  };

  const keysOf = (state, value) => {
    if (state.showHidden) return Reflect.ownKeys(value);
    return [...Object.keys(value), ...Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key))];
  };

  const property = (state, value, key, depth, inList) => {
    const is = Object.getOwnPropertyDescriptor(value, key) ?? { value: value[key], enumerable: true };
    let shown, gap = ' ';
    if (Object.hasOwn(is, 'value')) {
      const indent = state.compact !== true || inList ? 2 : 3;
      state.indentation += indent;
      shown = any(state, is.value, depth);
      if (indent === 3 && state.breakLength < shown.length) gap = `\n${' '.repeat(state.indentation)}`;
      state.indentation -= indent;
    } else if (is.get !== undefined) {
      shown = style(state, is.set === undefined ? '[Getter]' : '[Getter/Setter]', 'special');
    } else shown = style(state, is.set === undefined ? 'undefined' : '[Setter]', is.set === undefined ? 'undefined' : 'special');
    if (inList) return shown;
    let name;
    if (typeof key === 'symbol') name = `[${style(state, Symbol.prototype.toString.call(key), 'symbol')}]`;
    else if (key === '__proto__') name = "['__proto__']";
    else if (is.enumerable === false) name = `[${key}]`;
    else name = plain.test(key) ? key : style(state, quoted(key), 'string');
    return `${name}:${gap}${shown}`;
  };

  const more = (count) => `... ${count} more item${count > 1 ? 's' : ''}`;
  const list = (state, value, depth, length, one) => {
    const shown = Math.min(Math.max(0, state.maxArrayLength), length);
    const output = [];
    let at = 0;
    for (; at < length && output.length < shown; at += 1) {
      if (Object.hasOwn(value, at)) { output.push(one(at)); continue; }
      let holes = 1;
      while (at + holes < length && !Object.hasOwn(value, at + holes)) holes += 1;
      output.push(style(state, `<${holes} empty item${holes > 1 ? 's' : ''}>`, 'undefined'));
      at += holes - 1;
    }
    if (at < length) output.push(more(length - at));
    return output;
  };
  // As many items as are to be shown, and how many there are besides.
  const several = (state, items, one) => {
    const most = Math.min(Math.max(0, state.maxArrayLength), items.length);
    const output = items.slice(0, most).map(one);
    if (items.length > most) output.push(more(items.length - most));
    return output;
  };
  const isIndex = (key) => typeof key === 'string' && /^(0|[1-9][0-9]*)$/.test(key) && Number(key) < 2 ** 32 - 1;

  const errorText = (state, error, keys) => {
    let text;
    try { text = error.stack; } catch { /* shown without */ }
    if (typeof text !== 'string' || text === '') text = `[${Error.prototype.toString.call(error)}]`;
    for (const name of ['name', 'message', 'stack']) {
      const at = keys.indexOf(name);
      if (at >= 0 && text.includes(error[name])) keys.splice(at, 1);
    }
    if (Object.hasOwn(error, 'cause') && !keys.includes('cause')) keys.push('cause');
    if (Array.isArray(error.errors) && Object.hasOwn(error, 'errors') && !keys.includes('errors')) keys.push('errors');
    const lines = text.indexOf('\n    at');
    if (lines < 0 && !text.startsWith('[')) text = `[${text}]`;
    return state.indentation === 0 ? text : text.replaceAll('\n', '\n' + ' '.repeat(state.indentation));
  };

  const functionText = (value, name, toStringTag) => {
    const source = Function.prototype.toString.call(value);
    if (source.startsWith('class') && source.endsWith('}')) {
      const parent = Object.getPrototypeOf(value)?.name;
      return `[class ${value.name === '' ? '(anonymous)' : value.name}${parent ? ` extends ${parent}` : ''}]`;
    }
    let kind = 'Function';
    if (/^async\b/.test(source)) kind = 'AsyncFunction';
    if (/^(async\s*)?(function\s*)?\*/.test(source)) kind = kind.replace('Function', 'GeneratorFunction');
    let text = `[${kind}`;
    if (name === null) text += ' (null prototype)';
    text += value.name === '' ? ' (anonymous)]' : `: ${value.name}]`;
    if (toStringTag !== '' && toStringTag !== name) text += ` [${toStringTag}]`;
    return text;
  };

  const viewSize = (value) => `(${value.length})`;
  const BOXED = { Number: Number.prototype, String: String.prototype, Boolean: Boolean.prototype, BigInt: BigInt.prototype, Symbol: Symbol.prototype };
  const boxed = (value) => Object.keys(BOXED).find((kind) => {
    try { BOXED[kind].valueOf.call(value); return true; } catch { return false; }
  });
  const is = (kind, getter) => (value) => { try { getter.call(value); return true; } catch { return false; } };
  const size = (kind) => Object.getOwnPropertyDescriptor(kind.prototype, 'size').get;
  const isMap = is('Map', size(Map)), isSet = is('Set', size(Set)), isDate = is('Date', Date.prototype.getTime);
  const isRegExp = is('RegExp', Object.getOwnPropertyDescriptor(RegExp.prototype, 'source').get);
  const isBuffer = is('ArrayBuffer', Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get);
  const isShared = is('SharedArrayBuffer', Object.getOwnPropertyDescriptor(SharedArrayBuffer.prototype, 'byteLength').get);
  const isError = (value) => Error.isError?.(value) ?? value instanceof Error;
  const isWeak = (value) => ['WeakMap', 'WeakSet'].includes(tag(value));

  // Braces, what stands before them, and the entries between.
  const parts = (state, value, depth, keys) => {
    const name = constructorName(value);
    let toStringTag = value[Symbol.toStringTag];
    if (typeof toStringTag !== 'string' || toStringTag === name
      || Object.prototype.propertyIsEnumerable.call(value, Symbol.toStringTag)) toStringTag = '';
    const part = { base: '', braces: ['{', '}'], entries: [], array: false };

    if (Array.isArray(value)) {
      part.array = true;
      part.braces = [`${name === 'Array' && toStringTag === '' ? '' : prefix(name, 'Array', toStringTag, viewSize(value))}[`, ']'];
      part.keys = keys.filter((key) => !isIndex(key));
      part.empty = value.length === 0;
      part.make = () => list(state, value, depth, value.length, (at) => property(state, value, String(at), depth, true));
      return part;
    }
    if (isSet(value)) {
      part.braces[0] = `${prefix(name, 'Set', toStringTag, `(${value.size})`)}{`;
      part.empty = value.size === 0;
      part.make = () => several(state, [...Set.prototype.values.call(value)], (item) => nested(state, item, depth));
    } else if (isMap(value)) {
      part.braces[0] = `${prefix(name, 'Map', toStringTag, `(${value.size})`)}{`;
      part.empty = value.size === 0;
      part.make = () => several(state, [...Map.prototype.entries.call(value)],
        ([key, item]) => `${nested(state, key, depth)} => ${nested(state, item, depth)}`);
    } else if (ArrayBuffer.isView(value) && !(tag(value) === 'DataView')) {
      part.array = true;
      part.braces = [`${prefix(name, tag(value), toStringTag === tag(value) ? '' : toStringTag, viewSize(value))}[`, ']'];
      part.keys = keys.filter((key) => !isIndex(key));
      part.empty = value.length === 0;
      part.make = () => list(state, value, depth, value.length, (at) => primitive(state, value[at]));
    } else if (tag(value) === 'Arguments') {
      part.braces[0] = '[Arguments] {';
    } else if (typeof value === 'function') {
      part.base = style(state, functionText(value, name, toStringTag), 'special');
      part.alone = true;
    } else if (isRegExp(value)) {
      part.base = style(state, RegExp.prototype.toString.call(value), 'regexp');
      part.alone = true;
    } else if (isDate(value)) {
      const time = Date.prototype.getTime.call(value);
      part.base = style(state, Number.isNaN(time) ? 'Invalid Date' : Date.prototype.toISOString.call(value), 'date');
      part.alone = true;
    } else if (isError(value)) {
      part.base = errorText(state, value, keys);
      part.alone = true;
    } else if (isBuffer(value) || isShared(value)) {
      const bytes = new Uint8Array(value);
      part.braces[0] = `${prefix(name, 'ArrayBuffer', toStringTag === tag(value) ? '' : toStringTag)}{`;
      part.make = () => {
        const shown = [...bytes.subarray(0, 50)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
        const rest = bytes.length - 50;
        return [`[Uint8Contents]: <${shown}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? 's' : ''}` : ''}>`, `byteLength: ${primitive(state, bytes.length)}`];
      };
    } else if (tag(value) === 'Promise' && value instanceof Promise) {
      part.braces[0] = `${prefix(name, 'Promise', toStringTag === 'Promise' ? '' : toStringTag)}{`;
    } else if (isWeak(value)) {
      part.braces[0] = `${prefix(name, tag(value), toStringTag === tag(value) ? '' : toStringTag)}{`;
      part.make = () => [style(state, '<items unknown>', 'special')];
    } else {
      const kind = boxed(value);
      if (kind !== undefined) {
        const text = primitive({ ...state, colors: false }, BOXED[kind].valueOf.call(value));
        part.base = style(state, `[${kind}${name !== kind ? name === null ? ' (null prototype)' : ` (${name})` : ''}: ${text}]`, kind.toLowerCase());
        if (kind === 'String') part.keys = keys.filter((key) => !isIndex(key));
        part.alone = true;
      } else if (name !== 'Object' || toStringTag !== '') {
        part.braces[0] = `${prefix(name, 'Object', toStringTag)}{`;
      }
    }
    return part;
  };

  const nested = (state, value, depth) => {
    state.indentation += 2;
    const text = any(state, value, depth);
    state.indentation -= 2;
    return text;
  };

  const object = (state, value, depth) => {
    const keys = keysOf(state, value);
    const part = parts(state, value, depth + 1, keys);
    const shownKeys = part.keys ?? keys;
    const entries = part.make !== undefined && !(part.empty ?? false);
    if (shownKeys.length === 0 && !entries) {
      if (part.alone) return part.base;
      return part.array || part.braces[0] !== '{' ? `${part.braces[0]}${part.braces[1]}` : '{}';
    }
    const name = constructorName(value) ?? `${tag(value)}: null prototype`;
    if (state.depth !== null && depth > state.depth) {
      return style(state, `[${Array.isArray(value) ? 'Array' : name}]`, 'special');
    }
    state.seen.push(value);
    state.current = depth;
    let output = entries ? part.make() : [];
    for (const key of shownKeys) output.push(property(state, value, key, depth + 1, false));
    state.seen.pop();
    if (state.sorted) {
      const compare = state.sorted === true ? undefined : state.sorted;
      output = part.array ? [...output.slice(0, output.length - shownKeys.length), ...output.slice(output.length - shownKeys.length).sort(compare)] : output.sort(compare);
    }
    const index = state.circular.get(value);
    if (index !== undefined) {
      const reference = style(state, `<ref *${index}>`, 'special');
      if (part.base === '') part.braces[0] = `${reference} ${part.braces[0]}`;
      else part.base = `${reference} ${part.base}`;
    }
    return joined(state, output, part, depth, value);
  };

  const visible = (text) => text.replace(/\u001b\[\d\d?m/g, '').length;

  // Several short items in one line, in columns.
  const grouped = (state, output, value) => {
    let total = 0, widest = 0;
    let length = output.length;
    if (value !== undefined && state.maxArrayLength < value.length) length -= 1;
    const widths = [];
    for (let at = 0; at < length; at += 1) {
      widths[at] = visible(output[at]);
      total += widths[at] + 2;
      widest = Math.max(widest, widths[at]);
    }
    const actual = widest + 2;
    if (actual * 3 + state.indentation >= state.breakLength || total / actual <= 5 && widest > GROUPED) return output;
    const biased = Math.max(actual - 3 - Math.sqrt(actual - total / output.length), 1);
    const columns = Math.min(
      Math.round(Math.sqrt(2.5 * biased * length) / biased),
      Math.floor((state.breakLength - state.indentation) / actual),
      state.compact * 4,
      15,
    );
    if (columns <= 1) return output;
    const most = [];
    for (let at = 0; at < columns; at += 1) {
      let width = 0;
      for (let other = at; other < length; other += columns) width = Math.max(width, widths[other]);
      most.push(width + 2);
    }
    const right = value !== undefined && value.length > 0
      && output.slice(0, length).every((_, at) => typeof value[at] === 'number' || typeof value[at] === 'bigint');
    const result = [];
    for (let at = 0; at < length; at += columns) {
      const end = Math.min(at + columns, length);
      let line = '', other = at;
      for (; other < end - 1; other += 1) {
        const cell = `${output[other]}, `, width = most[other - at] + output[other].length - widths[other];
        line += right ? cell.padStart(width) : cell.padEnd(width);
      }
      if (right) line += output[other].padStart(most[other - at] + output[other].length - widths[other] - 2);
      else line += output[other];
      result.push(line);
    }
    if (length < output.length) result.push(output[length]);
    return result;
  };

  const joined = (state, output, part, depth, value) => {
    const [open, close] = part.braces;
    const base = part.base === '' ? '' : `${part.base} `;
    if (state.compact !== true) {
      if (typeof state.compact === 'number' && state.compact >= 1) {
        const entries = output.length;
        if (part.array && entries > GROUPED) output = grouped(state, output, value);
        if (state.current - depth < state.compact && entries === output.length) {
          const start = output.length + state.indentation + open.length + part.base.length + 10;
          const length = output.reduce((sum, text) => sum + visible(text), output.length + start);
          if (length <= state.breakLength && !part.base.includes('\n')) {
            const text = output.join(', ');
            if (!text.includes('\n')) return `${base}${open} ${text} ${close}`;
          }
        }
      }
      const indentation = `\n${' '.repeat(state.indentation)}`;
      return `${base}${open}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${close}`;
    }
    const length = output.reduce((sum, text) => sum + visible(text), output.length);
    if (length <= state.breakLength && !part.base.includes('\n')) return `${open}${base ? ` ${part.base}` : ''} ${output.join(', ')} ${close}`;
    const indentation = `\n${' '.repeat(state.indentation)}`;
    const lead = part.base === '' && open.length === 1 ? ' ' : `${base ? ` ${part.base}` : ''}\n${' '.repeat(state.indentation)}  `;
    return `${open}${lead}${output.join(`,${indentation}  `)} ${close}`;
  };

  const any = (state, value, depth) => {
    if (value === null || typeof value !== 'object' && typeof value !== 'function') return primitive(state, value);
    if (state.customInspect) {
      const own = value[custom];
      if (typeof own === 'function' && own !== inspect && !(value.constructor && value.constructor.prototype === value)) {
        const left = state.depth === null ? null : state.depth - depth;
        const { indentation: _i, seen: _s, circular: _c, current: _n, ...options } = state;
        const result = own.call(value, left, { ...options, ...state.user, depth: left, stylize: (text, kind) => style(state, String(text), kind) }, inspect);
        if (result !== value) {
          if (typeof result !== 'object' || result === null) {
            return typeof result === 'string' ? result.replaceAll('\n', `\n${' '.repeat(state.indentation)}`) : primitive(state, result);
          }
          return any(state, result, depth);
        }
      }
    }
    if (state.seen.includes(value)) {
      let index = state.circular.get(value);
      if (index === undefined) { index = state.circular.size + 1; state.circular.set(value, index); }
      return style(state, `[Circular *${index}]`, 'special');
    }
    return object(state, value, depth);
  };

  function inspect(value, options, depth, colors) {
    const state = { ...defaults, seen: [], indentation: 0, current: 0, circular: new Map(), user: undefined };
    if (typeof options === 'boolean') {
      state.showHidden = options;
      if (depth !== undefined) state.depth = depth;
      if (colors !== undefined) state.colors = colors;
    } else if (options !== null && typeof options === 'object') {
      for (const [key, given] of Object.entries(options)) {
        if (Object.hasOwn(defaults, key) || key === 'stylize') state[key] = given;
      }
      state.user = options;
    }
    if (state.maxArrayLength === null) state.maxArrayLength = Infinity;
    if (state.maxStringLength === null) state.maxStringLength = Infinity;
    if (state.depth === undefined) state.depth = null;
    return any({ ...state, depth: state.depth === Infinity ? null : state.depth }, value, 0);
  }
  inspect.custom = custom;
  inspect.defaultOptions = { ...defaults };
  inspect.colors = Object.fromEntries(Object.entries({ bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39],
    magenta: [35, 39], cyan: [36, 39], grey: [90, 39], gray: [90, 39] }));
  inspect.styles = { special: 'cyan', number: 'yellow', bigint: 'yellow', boolean: 'yellow', undefined: 'grey', null: 'bold', string: 'green',
    symbol: 'green', date: 'magenta', regexp: 'red', module: 'underline' };

  module.exports = { inspect, quoted, custom, constructorName, tag, isError, isMap, isSet, isDate, isRegExp, boxed, BOXED };
})
