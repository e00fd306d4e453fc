// Gives the stacks of a realm's errors the form that Node's have: what the error says, then a line for each call.
(function (module) {
  'use strict';

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

  module.exports = function (Error) {
    const text = Error.prototype.toString;
    const format = (error, sites) => {
      let head;
      try { head = text.call(error); } catch { head = '<error>'; }
      for (let at = 0; at < sites.length; at += 1) head += line(sites[at]);
      return head;
    };
    // QuickJS calls `Error.prepareStackTrace` if there is one. To the realm it looks as if there were none, until it sets one.
    const { set } = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let theirs;
    set.call(Error, format);
    Object.defineProperty(Error, 'prepareStackTrace', {
      configurable: true,
      get() { return theirs; },
      set(value) {
        theirs = value;
        set.call(Error, typeof value === 'function' ? value : format);
      },
    });
    // In Node a stack can be set to anything.
    const { get } = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');
    Object.defineProperty(Error.prototype, 'stack', {
      configurable: true,
      get,
      set(value) { Object.defineProperty(this, 'stack', { value, writable: true, configurable: true }); },
    });
  };
})
