// What depends on languages, for both realms. QuickJS has no `Intl`; what it does instead of it differs from Node without a word. So the
// usual cases are done here as Node does them in English, and all others say what can do them.
(function (module) {
  'use strict';

  const MARKS = /\p{M}/gu;
  const FRACTION = 3;

  const refuse = (what) => {
    throw new RangeError(`${what} is not offered by engine "quickjs", which has no Intl; use engine = "node"`);
  };
  // English as in the United States, which is also what is meant if nothing is said.
  const checkLocale = (locales, what) => {
    for (const locale of Array.isArray(locales) ? locales : [locales]) {
      if (locale !== undefined && locale !== 'en' && locale !== 'en-US') refuse(`${what} for ${String(locale)}`);
    }
  };
  const checkOptions = (options, known, what) => {
    for (const key of Object.keys(options ?? {})) if (options[key] !== undefined && !known.includes(key)) refuse(`${what} with ${key}`);
    return options ?? {};
  };

  // Kinds of characters in the order in which they are sorted: what is no letter first, then digits, then letters.
  const rank = (sign) => /\p{Z}|\s/u.test(sign) ? 0 : /\p{P}/u.test(sign) ? 1 : /\p{S}/u.test(sign) ? 2 : /\p{N}/u.test(sign) ? 3 : 4;
  const compare = (one, other) => one < other ? -1 : one > other ? 1 : 0;
  const signs = (text, numeric) => text.match(numeric ? /\d+|[^]/gu : /[^]/gu) ?? [];
  const order = (one, other, numeric) => {
    const [left, right] = [signs(one, numeric), signs(other, numeric)];
    for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
      const [first, second] = [left[at], right[at]];
      if (first === second) continue;
      if (numeric && /^\d/.test(first) && /^\d/.test(second) && Number(first) !== Number(second)) return compare(Number(first), Number(second));
      return compare(rank(first), rank(second)) || compare(first, second);
    }
    return compare(left.length, right.length);
  };
  const marks = (text) => (text.match(MARKS) ?? []).join('');
  const collate = (one, other, { sensitivity = 'variant', numeric = false }) => {
    if (one === other) return 0;
    const [left, right] = [one.normalize('NFD'), other.normalize('NFD')];
    const [plain, second] = [left.replace(MARKS, ''), right.replace(MARKS, '')];
    const letters = order(plain.toLowerCase(), second.toLowerCase(), numeric);
    if (letters !== 0 || sensitivity === 'base') return letters;
    const accents = sensitivity === 'case' ? 0 : compare(marks(left), marks(right));
    if (accents !== 0 || sensitivity === 'accent') return accents;
    // Small letters first: the other way round than their codes.
    return compare(second, plain);
  };

  const number = (value, options) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value < 0 ? '-∞' : '∞';
    const least = options.minimumFractionDigits ?? 0;
    const most = options.maximumFractionDigits ?? Math.max(least, FRACTION);
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)\.?(\d*)/.exec(Math.abs(value) < 1e21 ? rounded(value, most) : BigInt(value).toString());
    const groups = options.useGrouping === false ? whole : whole.replace(/\B(?=(\d{3})+$)/g, ',');
    const kept = fraction.replace(/0+$/, '').padEnd(least, '0');
    return sign + groups + (kept === '' ? '' : `.${kept}`);
  };
  // By the digits that are shown, halves away from zero: 1.005 is 1.01 here, and 1.00 for `toFixed`.
  const rounded = (value, digits) => {
    const text = String(Math.abs(value));
    if (text.includes('e')) return value.toFixed(digits);
    const [whole, fraction = ''] = text.split('.');
    let all = BigInt(whole + fraction.padEnd(digits, '0').slice(0, digits));
    if (fraction.length > digits && fraction[digits] >= '5') all += 1n;
    const shown = String(all).padStart(digits + 1, '0');
    const sign = value < 0 || Object.is(value, -0) ? '-' : '';
    return sign + shown.slice(0, shown.length - digits) + (digits > 0 ? `.${shown.slice(-digits)}` : '');
  };

  const two = (count) => String(count).padStart(2, '0');
  const day = (date) => `${date.getMonth() + 1}/${date.getDate()}/${date.getFullYear()}`;
  const time = (date) => `${date.getHours() % 12 || 12}:${two(date.getMinutes())}:${two(date.getSeconds())} ${date.getHours() < 12 ? 'AM' : 'PM'}`;

  module.exports = function ({ Date, Number, String }) {
    const methods = (prototype, all) => {
      for (const [name, value] of Object.entries(all)) Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
    };
    const valueOf = Number.prototype.valueOf, getTime = Date.prototype.getTime;
    methods(Number.prototype, {
      toLocaleString(locales, options) {
        checkLocale(locales, 'toLocaleString of a number');
        return number(valueOf.call(this),
          checkOptions(options, ['minimumFractionDigits', 'maximumFractionDigits', 'useGrouping'], 'toLocaleString of a number'));
      },
    });
    const shown = (name, show) => ({
      [name](locales, options) {
        checkLocale(locales, `${name} of a date`);
        checkOptions(options, [], `${name} of a date`);
        return Number.isNaN(getTime.call(this)) ? 'Invalid Date' : show(this);
      },
    });
    methods(Date.prototype, {
      ...shown('toLocaleString', (date) => `${day(date)}, ${time(date)}`),
      ...shown('toLocaleDateString', day),
      ...shown('toLocaleTimeString', time),
    });
    methods(String.prototype, {
      localeCompare(that, locales, options) {
        checkLocale(locales, 'localeCompare');
        return collate(String(this), String(that), checkOptions(options, ['sensitivity', 'numeric', 'usage'], 'localeCompare'));
      },
    });
  };
})
