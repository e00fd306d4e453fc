// https://nodejs.org/docs/latest-v20.x/api/path.html, for POSIX.
(function (module, use) {
  'use strict';

  const check = (value, name) => {
    if (typeof value !== 'string') throw new (use('internal/errors').InvalidArgument)(name, 'of type string', value);
  };

  // Without `.`, `..` and double slashes; what would climb above the root is dropped, above a relative path it stays.
  const reduce = (path, absolute) => {
    const parts = [];
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      if (part !== '..') parts.push(part);
      else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
      else if (!absolute) parts.push('..');
    }
    return parts.join('/');
  };

  const path = {
    sep: '/',
    delimiter: ':',
    normalize(path) {
      check(path, 'path');
      if (path === '') return '.';
      const absolute = path.startsWith('/');
      let result = reduce(path, absolute);
      if (result === '' && !absolute) result = '.';
      if (result !== '' && path.endsWith('/')) result += '/';
      return absolute ? '/' + result : result;
    },
    isAbsolute(path) { check(path, 'path'); return path.startsWith('/'); },
    join(...parts) {
      for (const part of parts) check(part, 'path');
      const joined = parts.filter((part) => part !== '').join('/');
      return joined === '' ? '.' : this_.normalize(joined);
    },
    resolve(...parts) {
      let result = '';
      for (let at = parts.length - 1; at >= -1 && !result.startsWith('/'); at -= 1) {
        const part = at >= 0 ? parts[at] : use('internal/process').cwd();
        check(part, `paths[${at}]`);
        if (part !== '') result = result === '' ? part : part + '/' + result;
      }
      const absolute = result.startsWith('/');
      const reduced = reduce(result, absolute);
      return absolute ? '/' + reduced : reduced || '.';
    },
    relative(from, to) {
      check(from, 'from');
      check(to, 'to');
      const [here, there] = [from, to].map((path) => this_.resolve(path).split('/').filter((part) => part !== ''));
      let same = 0;
      while (same < here.length && same < there.length && here[same] === there[same]) same += 1;
      return [...here.slice(same).map(() => '..'), ...there.slice(same)].join('/');
    },
    toNamespacedPath: (path) => path,
    dirname(path) {
      check(path, 'path');
      if (path === '') return '.';
      let end = path.length;
      while (end > 1 && path[end - 1] === '/') end -= 1;
      const slash = path.lastIndexOf('/', end - 1);
      if (slash < 0) return '.';
      if (slash === 0) return '/';
      return slash === 1 && path[0] === '/' ? '//' : path.slice(0, slash);
    },
    basename(path, suffix) {
      if (suffix !== undefined) check(suffix, 'suffix');
      check(path, 'path');
      if (suffix === path) return '';
      let end = path.length;
      while (end > 0 && path[end - 1] === '/') end -= 1;
      const name = path.slice(path.lastIndexOf('/', end - 1) + 1, end);
      return suffix !== undefined && name !== suffix && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name;
    },
    extname(path) {
      const name = this_.basename(path);
      const dot = name.lastIndexOf('.');
      return dot <= 0 || name === '..' ? '' : name.slice(dot);
    },
    format(parts) {
      if (parts === null || typeof parts !== 'object') {
        throw new (use('internal/errors').InvalidArgument)('pathObject', 'of type object', parts);
      }
      const directory = parts.dir || parts.root;
      const extension = parts.ext ? (parts.ext.startsWith('.') ? '' : '.') + parts.ext : '';
      const base = parts.base || `${parts.name || ''}${extension}`;
      if (!directory) return base;
      return directory === parts.root ? directory + base : directory + '/' + base;
    },
    parse(path) {
      check(path, 'path');
      const base = this_.basename(path), ext = this_.extname(path);
      const root = path.startsWith('/') ? '/' : '';
      let end = path.length;
      while (end > 0 && path[end - 1] === '/') end -= 1;
      const start = path.lastIndexOf('/', end - 1) + 1;
      const dir = end > 0 && start > root.length ? path.slice(0, start - 1) : root;
      return { root, dir, base, ext, name: ext === '' ? base : base.slice(0, -ext.length) };
    },
    win32: null,
    posix: null,
  };
  const this_ = path;
  path.posix = path;

  module.exports = path;
})
