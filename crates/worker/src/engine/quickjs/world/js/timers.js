// https://nodejs.org/docs/latest-v20.x/api/timers.html: the globals once more.
(function (module, use, natives, global) {
  'use strict';

  const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = global;
  module.exports = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate };
})
