// https://nodejs.org/docs/latest-v20.x/api/punycode.html, after RFC 3492.
(function (module) {
  'use strict';

  const BASE = 36, LOWEST = 1, HIGHEST = 26, SKEW = 38, DAMP = 700, FIRST = 128, BIAS = 72, MOST = 2 ** 31 - 1;

  const adapt = (delta, count, first) => {
    delta = first ? Math.floor(delta / DAMP) : delta >> 1;
    delta += Math.floor(delta / count);
    let k = 0;
    while (delta > (BASE - LOWEST) * HIGHEST >> 1) {
      delta = Math.floor(delta / (BASE - LOWEST));
      k += BASE;
    }
    return k + Math.floor((BASE - LOWEST + 1) * delta / (delta + SKEW));
  };
  const threshold = (k, bias) => k <= bias ? LOWEST : Math.min(k - bias, HIGHEST);
  const ucs2 = {
    decode: (text) => {
      const points = [];
      for (const sign of text) points.push(sign.codePointAt(0));
      return points;
    },
    encode: (points) => points.map((point) => String.fromCodePoint(point)).join(''),
  };

  const decode = (text) => {
    const end = text.lastIndexOf('-');
    const points = [];
    for (let at = 0; at < end; at += 1) {
      if (text.charCodeAt(at) >= 0x80) throw new RangeError('Illegal input >= 0x80 (not a basic code point)');
      points.push(text.charCodeAt(at));
    }
    let point = FIRST, position = 0, bias = BIAS;
    for (let at = end > 0 ? end + 1 : 0; at < text.length;) {
      const before = position;
      for (let weight = 1, k = BASE; ; k += BASE) {
        const unit = at < text.length ? text.charCodeAt(at++) : 0;
        const value = unit >= 48 && unit < 58 ? unit - 22 : (unit | 32) >= 97 && (unit | 32) <= 122 ? (unit | 32) - 97 : BASE;
        if (value >= BASE) throw new RangeError('Invalid input');
        position += value * weight;
        if (position > MOST) throw new RangeError('Overflow: input needs wider integers to process');
        const t = threshold(k, bias);
        if (value < t) break;
        weight *= BASE - t;
      }
      const count = points.length + 1;
      bias = adapt(position - before, count, before === 0);
      point += Math.floor(position / count);
      position %= count;
      points.splice(position, 0, point);
      position += 1;
    }
    return String.fromCodePoint(...points);
  };

  const encode = (text) => {
    const points = ucs2.decode(text);
    const plain = points.filter((point) => point < 0x80);
    let result = String.fromCodePoint(...plain);
    let done = plain.length, point = FIRST, delta = 0, bias = BIAS;
    if (done > 0) result += '-';
    while (done < points.length) {
      const next = points.reduce((least, other) => other >= point && other < least ? other : least, MOST);
      delta += (next - point) * (done + 1);
      if (delta > MOST) throw new RangeError('Overflow: input needs wider integers to process');
      point = next;
      for (const other of points) {
        if (other < point) delta += 1;
        if (other !== point) continue;
        let rest = delta;
        for (let k = BASE; ; k += BASE) {
          const t = threshold(k, bias);
          if (rest < t) break;
          const value = t + (rest - t) % (BASE - t);
          result += String.fromCharCode(value < 26 ? value + 97 : value + 22);
          rest = Math.floor((rest - t) / (BASE - t));
        }
        result += String.fromCharCode(rest < 26 ? rest + 97 : rest + 22);
        bias = adapt(delta, done + 1, done === plain.length);
        delta = 0;
        done += 1;
      }
      delta += 1;
      point += 1;
    }
    return result;
  };

  // Of a host name or an address of mail, label by label.
  const labels = (text, change) => {
    const at = text.indexOf('@');
    const mail = text.slice(0, at + 1);
    return mail + text.slice(at + 1).replace(/[\u3002\uff0e\uff61]/g, '.').split('.').map(change).join('.');
  };

  module.exports = {
    version: '2.1.0',
    ucs2,
    decode,
    encode,
    toASCII: (text) => labels(text, (label) => /[^\0-\x7f]/.test(label) ? 'xn--' + encode(label) : label),
    toUnicode: (text) => labels(text, (label) => label.startsWith('xn--') ? decode(label.slice(4).toLowerCase()) : label),
  };
})
