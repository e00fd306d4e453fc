// https://nodejs.org/docs/latest-v20.x/api/url.html: what was there before the standard, and the standard's beside it.
(function (module, use, natives) {
  'use strict';

  const { URL, URLSearchParams } = use('internal/whatwg_url');
  const querystring = use('querystring');
  const { coded, InvalidArgument } = use('internal/errors');

  // Schemes whose URLs always have a host and a path, slashes or not.
  const SLASHED = new Set(['http', 'https', 'ftp', 'gopher', 'file', 'ws', 'wss'].flatMap((name) => [name, `${name}:`]));
  const HOSTLESS = new Set(['javascript', 'javascript:']);
  const ESCAPED = { '\t': '%09', '\n': '%0A', '\r': '%0D', ' ': '%20', '"': '%22', "'": '%27', '<': '%3C', '>': '%3E', '\\': '%5C', '^': '%5E',
    '`': '%60', '{': '%7B', '|': '%7C', '}': '%7D' };
  const invalid = (input) => Object.assign(coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input });

  function Url() {
    this.protocol = null; this.slashes = null; this.auth = null; this.host = null; this.port = null; this.hostname = null; this.hash = null;
    this.search = null; this.query = null; this.pathname = null; this.path = null; this.href = null;
  }

  // Backslashes before a query are slashes.
  const straighten = (text) => {
    const at = text.search(/[?#]/);
    const head = at < 0 ? text : text.slice(0, at);
    return head.replaceAll('\\', '/') + (at < 0 ? '' : text.slice(at));
  };

  const host = (url, text, input) => {
    const port = /:([0-9]*)$/.exec(text);
    if (port !== null) {
      if (port[1] !== '') url.port = port[1];
      text = text.slice(0, text.length - port[0].length);
    }
    url.hostname = text;
    const numbers = text.startsWith('[') && text.endsWith(']');
    if (numbers) {
      if (/[\0\t\n\r #%/<>?@\\^|]/.test(text.slice(1, -1))) throw invalid(input);
      url.hostname = text.slice(1, -1).toLowerCase();
    } else {
      let rest = '';
      // What follows a colon and is no port belongs to the path.
      const end = text.indexOf(':');
      if (end >= 0) {
        rest = '/' + text.slice(end);
        url.hostname = text.slice(0, end);
      }
      url.hostname = url.hostname.length > 255 ? '' : url.hostname.toLowerCase();
      if (url.hostname !== '' && /[^\0-\x7f]/.test(url.hostname)) {
        url.hostname = natives.domainToASCII(url.hostname.toWellFormed());
        if (url.hostname === '') throw invalid(input);
      }
      if (/[\0\t\n\r #%/:<>?@[\\\]^|]/.test(url.hostname)) throw invalid(input);
      url.host = url.hostname + (url.port === null ? '' : `:${url.port}`);
      return rest;
    }
    url.host = text.toLowerCase() + (url.port === null ? '' : `:${url.port}`);
    return '';
  };

  Url.prototype.parse = function (input, parseQuery, slashesDenoteHost) {
    if (typeof input !== 'string') throw new InvalidArgument('url', 'of type string', input);
    let rest = straighten(input.replace(/^[\s\ufeff]+|[\s\ufeff]+$/g, ''));
    // Nothing but a path, which is what servers get.
    const simple = slashesDenoteHost || /[#@]/.test(rest) ? null : /^(\/\/?(?!\/)[^?\s]*)(\?[^\s]*)?$/.exec(rest);
    if (simple !== null) {
      this.path = this.href = rest;
      this.pathname = simple[1];
      if (simple[2] !== undefined) {
        this.search = simple[2];
        this.query = parseQuery ? querystring.parse(simple[2].slice(1)) : simple[2].slice(1);
      } else if (parseQuery) {
        this.search = null;
        this.query = Object.create(null);
      }
      return this;
    }

    const protocol = /^[a-z0-9.+-]+:/i.exec(rest)?.[0];
    const scheme = protocol?.toLowerCase();
    if (protocol !== undefined) {
      this.protocol = scheme;
      rest = rest.slice(protocol.length);
    }
    let slashes = false;
    if (slashesDenoteHost || protocol !== undefined || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
      slashes = rest.startsWith('//');
      if (slashes && !HOSTLESS.has(scheme)) {
        rest = rest.slice(2);
        this.slashes = true;
      }
    }
    if (!HOSTLESS.has(scheme) && (slashes || protocol !== undefined && !SLASHED.has(scheme))) {
      // The host ends at the first of these; a user's name at the last `@` before it.
      let end = rest.search(/[/?#]/);
      if (end < 0) end = rest.length;
      // There are no tabs and line ends in a host: they are passed over, as in the standard.
      const authority = rest.slice(0, end).replace(/[\t\n\r]/g, '');
      rest = authority + rest.slice(end);
      end = authority.length;
      const at = rest.lastIndexOf('@', end - 1);
      let from = 0;
      if (at >= 0 && at < end) {
        this.auth = decodeURIComponent(rest.slice(0, at));
        from = at + 1;
      }
      let stop = rest.slice(from, end).search(/[ "%';<>\\^`{|}]/);
      stop = stop < 0 ? end : from + stop;
      let name = rest.slice(from, stop);
      rest = rest.slice(stop);
      rest = host(this, name, input) + rest;
      name = this.hostname;
      if (this.host === null) this.host = '';
    }

    if (!HOSTLESS.has(scheme)) rest = rest.replace(/[\t\n\r "'<>\\^`{|}]/g, (sign) => ESCAPED[sign]);

    const hash = rest.indexOf('#');
    if (hash >= 0) {
      this.hash = rest.slice(hash);
      rest = rest.slice(0, hash);
    }
    const query = rest.indexOf('?');
    if (query >= 0) {
      this.search = rest.slice(query);
      this.query = parseQuery ? querystring.parse(this.search.slice(1)) : this.search.slice(1);
      rest = rest.slice(0, query);
    } else if (parseQuery) {
      this.search = null;
      this.query = Object.create(null);
    }
    if (rest !== '') this.pathname = rest;
    if (SLASHED.has(scheme) && this.hostname && this.pathname === null) this.pathname = '/';
    if (this.pathname !== null || this.search !== null) this.path = (this.pathname ?? '') + (this.search ?? '');
    this.href = this.format();
    return this;
  };

  Url.prototype.format = function () {
    let auth = this.auth || '';
    if (auth !== '') auth = encodeURIComponent(auth).replaceAll('%3A', ':') + '@';
    let protocol = this.protocol || '', pathname = this.pathname || '', hash = this.hash || '', name = '', query = '';
    if (this.host) name = auth + this.host;
    else if (this.hostname) {
      name = auth + (this.hostname.includes(':') && !/^\[.*\]$/.test(this.hostname) ? `[${this.hostname}]` : this.hostname);
      if (this.port) name += `:${this.port}`;
    }
    if (this.query !== null && typeof this.query === 'object') query = querystring.stringify(this.query);
    let search = this.search || query && `?${query}` || '';
    if (protocol !== '' && !protocol.endsWith(':')) protocol += ':';
    pathname = pathname.replace(/[?#]/g, encodeURIComponent);
    if (this.slashes || SLASHED.has(protocol)) {
      if (this.slashes || name) {
        if (pathname !== '' && !pathname.startsWith('/')) pathname = `/${pathname}`;
        name = `//${name}`;
      } else if (protocol.startsWith('file')) name = '//';
    }
    search = search.replaceAll('#', '%23');
    if (hash !== '' && !hash.startsWith('#')) hash = `#${hash}`;
    if (search !== '' && !search.startsWith('?')) search = `?${search}`;
    return protocol + name + pathname + search + hash;
  };

  const parse = (url, parseQuery, slashesDenoteHost) => url instanceof Url ? url : new Url().parse(url, parseQuery, slashesDenoteHost);

  Url.prototype.resolve = function (relative) { return this.resolveObject(parse(relative, false, true)).format(); };
  Url.prototype.resolveObject = function (relative) {
    if (typeof relative === 'string') relative = parse(relative, false, true);
    const result = Object.assign(new Url(), this);
    result.hash = relative.hash;
    if (relative.href === '') { result.href = result.format(); return result; }

    // `//host/path`: all but the protocol.
    if (relative.slashes && !relative.protocol) {
      for (const key of Object.keys(relative)) if (key !== 'protocol') result[key] = relative[key];
      if (SLASHED.has(result.protocol) && result.hostname && !result.pathname) result.path = result.pathname = '/';
      result.href = result.format();
      return result;
    }
    if (relative.protocol && relative.protocol !== result.protocol) {
      if (!SLASHED.has(relative.protocol)) {
        Object.assign(result, relative);
        result.href = result.format();
        return result;
      }
      result.protocol = relative.protocol;
      if (!relative.host && !/^file:?$/.test(relative.protocol) && !HOSTLESS.has(relative.protocol)) {
        const parts = (relative.pathname || '').split('/');
        while (parts.length > 0 && !(relative.host = parts.shift()));
        relative.host ||= '';
        relative.hostname ||= '';
        if (parts[0] !== '') parts.unshift('');
        if (parts.length < 2) parts.unshift('');
        result.pathname = parts.join('/');
      } else result.pathname = relative.pathname;
      result.search = relative.search;
      result.query = relative.query;
      result.host = relative.host || '';
      result.auth = relative.auth;
      result.hostname = relative.hostname || relative.host;
      result.port = relative.port;
      if (result.pathname || result.search) result.path = (result.pathname || '') + (result.search || '');
      result.slashes = result.slashes || relative.slashes;
      result.href = result.format();
      return result;
    }

    const absoluteHere = result.pathname?.startsWith('/');
    const absoluteThere = relative.host || relative.pathname?.startsWith('/');
    let mustBeAbsolute = Boolean(absoluteThere || absoluteHere || result.host && relative.pathname);
    const removeDots = mustBeAbsolute;
    let here = result.pathname?.split('/') ?? [];
    const there = relative.pathname?.split('/') ?? [];
    const hostless = Boolean(result.protocol && !SLASHED.has(result.protocol));
    if (hostless) {
      result.hostname = '';
      result.port = null;
      if (result.host) {
        if (here[0] === '') here[0] = result.host;
        else here.unshift(result.host);
      }
      result.host = '';
      if (relative.protocol) {
        relative.hostname = null;
        relative.port = null;
        result.auth = null;
        if (relative.host) {
          if (there[0] === '') there[0] = relative.host;
          else there.unshift(relative.host);
        }
        relative.host = null;
      }
      mustBeAbsolute = mustBeAbsolute && (there[0] === '' || here[0] === '');
    }

    if (absoluteThere) {
      if (relative.host || relative.host === '') {
        if (result.host !== relative.host) result.auth = null;
        result.host = relative.host;
        result.port = relative.port;
      }
      if (relative.hostname || relative.hostname === '') {
        if (result.hostname !== relative.hostname) result.auth = null;
        result.hostname = relative.hostname;
      }
      result.search = relative.search;
      result.query = relative.query;
      here = there;
    } else if (there.length > 0) {
      here.pop();
      here = here.concat(there);
      result.search = relative.search;
      result.query = relative.query;
    } else if (relative.search !== null && relative.search !== undefined) {
      if (hostless) {
        result.hostname = result.host = here.shift();
        const both = result.host?.indexOf('@') > 0 && result.host.split('@');
        if (both) { result.auth = both.shift(); result.host = result.hostname = both.shift(); }
      }
      result.search = relative.search;
      result.query = relative.query;
      if (result.pathname !== null || result.search !== null) result.path = (result.pathname || '') + (result.search || '');
      result.href = result.format();
      return result;
    }
    if (here.length === 0) {
      result.pathname = null;
      result.path = result.search ? `/${result.search}` : null;
      result.href = result.format();
      return result;
    }

    // Dots; one at the end leaves a slash.
    let last = here.at(-1);
    const slashAtEnd = (result.host || relative.host || here.length > 1) && (last === '.' || last === '..') || last === '';
    let up = 0;
    for (let at = here.length - 1; at >= 0; at -= 1) {
      last = here[at];
      if (last === '.') here.splice(at, 1);
      else if (last === '..') { here.splice(at, 1); up += 1; }
      else if (up > 0) { here.splice(at, 1); up -= 1; }
    }
    if (!mustBeAbsolute && !removeDots) for (; up > 0; up -= 1) here.unshift('..');
    if (mustBeAbsolute && here[0] !== '' && !here[0]?.startsWith('/')) here.unshift('');
    if (slashAtEnd && !here.join('/').endsWith('/')) here.push('');
    const isAbsolute = here[0] === '' || here[0]?.startsWith('/');
    if (hostless) {
      result.hostname = result.host = isAbsolute ? '' : here.length > 0 ? here.shift() : '';
      const both = result.host?.indexOf('@') > 0 && result.host.split('@');
      if (both) { result.auth = both.shift(); result.host = result.hostname = both.shift(); }
    }
    mustBeAbsolute = mustBeAbsolute || Boolean(result.host && here.length > 0);
    if (mustBeAbsolute && !isAbsolute) here.unshift('');
    if (here.length === 0) {
      result.pathname = null;
      result.path = null;
    } else result.pathname = here.join('/');
    if (result.pathname !== null || result.search !== null) result.path = (result.pathname || '') + (result.search || '');
    result.auth = relative.auth || result.auth;
    result.slashes = result.slashes || relative.slashes;
    result.href = result.format();
    return result;
  };

  const format = (url, options) => {
    if (typeof url === 'string') url = parse(url);
    else if (url === null || typeof url !== 'object') throw new InvalidArgument('urlObject', 'one of type object or string', url);
    else if (url instanceof URL) {
      const { auth = true, fragment = true, search = true, unicode = false } = options ?? {};
      let text = url.protocol + (url.host !== '' || url.protocol === 'file:' ? '//' : '');
      if (auth && (url.username || url.password)) text += url.username + (url.password ? `:${url.password}` : '') + '@';
      text += unicode ? natives.domainToUnicode(url.hostname) + (url.port === '' ? '' : `:${url.port}`) : url.host;
      return text + url.pathname + (search ? url.search : '') + (fragment ? url.hash : '');
    }
    return Url.prototype.format.call(url);
  };

  module.exports = {
    Url,
    parse,
    resolve: (from, to) => parse(from, false, true).resolve(to),
    resolveObject: (from, to) => from ? parse(from, false, true).resolveObject(to) : to,
    format,
    URL,
    URLSearchParams,
    domainToASCII: (name) => natives.domainToASCII(`${name}`.toWellFormed()),
    domainToUnicode: (name) => natives.domainToUnicode(`${name}`.toWellFormed()),
    pathToFileURL: (path) => new URL(`file://${encodeURI(use('path').resolve(path)).replace(/[?#]/g, encodeURIComponent)}`),
    fileURLToPath(url) {
      const parsed = typeof url === 'string' ? new URL(url) : url;
      if (parsed.protocol !== 'file:') throw coded(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
      return decodeURIComponent(parsed.pathname);
    },
    urlToHttpOptions(url) {
      const { hostname, pathname, search } = url;
      return { __proto__: null, protocol: url.protocol, hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname, hash: url.hash,
        search, pathname, path: `${pathname || ''}${search || ''}`, href: url.href, ...url.port !== '' && { port: Number(url.port) },
        ...(url.username || url.password) && { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` } };
    },
  };
})
