// Gives the stacks of a realm's errors the form that Node's have: what the error says, then a line for each call. As in Node, what it
// says is asked when the stack is looked at for the first time.
(function (module) {
  'use strict';

  // Before lines that still lack their head.
  const MARK = '\0';
  const place = (site) => {
    const file = site.getFileName();
    if (site.isNative() || file === null || file === undefined) return '<anonymous>';
    return file + ':' + site.getLineNumber() + ':' + site.getColumnNumber();
  };
  const line = (site) => {
    const name = site.getFunctionName();
    const called = name && name !== '<eval>' && name !== '<anonymous>';
    return called ? '\n    at ' + name + ' (' + place(site) + ')' : '\n    at ' + place(site);
  };
  const format = (error, sites) => {
    let lines = MARK;
    for (let at = 0; at < sites.length; at += 1) lines += line(sites[at]);
    return lines;
  };

  module.exports = function (Error) {
    const text = Error.prototype.toString;
    const define = Object.defineProperty;
    const complete = (error, lines) => {
      if (typeof lines === 'string' && !lines.startsWith(MARK)) return lines;
      let head;
      try { head = text.call(error); } catch { head = '<error>'; }
      return typeof lines === 'string' ? head + lines.slice(MARK.length) : head;
    };
    const own = (error, value) => define(error, 'stack', { value, writable: true, configurable: true });

    // QuickJS calls `Error.prepareStackTrace` if there is one. To the realm it looks as if there were none, until it sets one.
    const { set } = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let theirs;
    set.call(Error, format);
    define(Error, 'prepareStackTrace', {
      configurable: true,
      get() { return theirs; },
      set(value) {
        theirs = value;
        set.call(Error, typeof value === 'function' ? value : format);
      },
    });

    const { get } = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');
    define(Error.prototype, 'stack', {
      configurable: true,
      get() {
        if (!Error.isError(this)) return undefined;
        const lines = get.call(this);
        if (theirs !== undefined && typeof lines !== 'string') return lines;
        const value = complete(this, lines);
        try { own(this, value); } catch { /* frozen: asked again the next time */ }
        return value;
      },
      // In Node a stack can be set to anything.
      set(value) { own(this, value); },
    });

    const capture = Error.captureStackTrace;
    const captureStackTrace = function captureStackTrace(target, above) {
      const holder = {};
      capture.call(Error, holder, typeof above === 'function' ? above : captureStackTrace);
      const lines = holder.stack;
      if (typeof lines !== 'string' || !lines.startsWith(MARK)) { own(target, lines); return; }
      define(target, 'stack', {
        configurable: true,
        get() { const value = complete(target, lines); own(target, value); return value; },
        set(value) { own(target, value); },
      });
    };
    define(Error, 'captureStackTrace', { value: captureStackTrace, writable: true, configurable: true });
  };
})
