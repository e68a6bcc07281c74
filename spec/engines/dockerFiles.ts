/** Whole files as people and tools write them: what an edit has to keep. */
export const dockerFiles: Record<string, string> = {
  empty: '',
  'a newline': '\n',
  'white space, CRLF': ' \r\n\t\r\n',
  'an empty object': '{}',
  'an empty object in two lines': '{\n}\n',
  'a byte order mark': '\ufeff{\n  "debug": true\n}\n',
  'a byte order mark alone': '\ufeff\n',
  'two spaces': '{\n  "log-driver": "json-file",\n  "log-opts": {\n    "max-size": "10m"\n  }\n}\n',
  'four spaces, no newline': '{\n    "live-restore": true,\n    "log-opts":  {\n       "max-file": "5"\n    }\n}',
  'tabs and CRLF': '{\r\n\t"debug": false\r\n}\r\n',
  'one line': '{"debug":true,"dns":["192.0.2.1"]}',
  'one line with spaces': '{ "debug": true , "dns" : [ ] }\n',
  'tabs without spaces': '{\n\t"dns":["192.0.2.1", "192.0.2.2"]\n}\n',
  'commas first': '{ "debug": true\n, "dns": []\n}\n',
  'no handlers': '{\n  "dns": ["192.0.2.1"],\n  "runtimes": {}\n}\n',
  'no handlers in lines': '{\n  "runtimes": {\n  },\n  "dns": []\n}\n',
  'handlers of others':
    '{\n\t"default-runtime": "nvidia",\n\t"runtimes": {\n\t\t"nvidia": {\n\t\t\t"path": "/usr/bin/nvidia-container-runtime",\n\t\t\t"runtimeArgs": []\n\t\t}\n\t}\n}\n',
  'handlers first, in one line': '{"runtimes":{"crun":{"path":"/usr/bin/crun"}},"debug":true}\n',
  'escapes in keys and names':
    '{\n  "r\\u0075ntimes": {\n    "a \\"quoted\\" name": { "path": "/bin/true" }\n  },\n  "labels": ["}{", "\\\\"]\n}\n',
  numbers: '{\n  "shutdown-timeout": 15,\n  "max-concurrent-downloads": 1e1,\n  "x": -0.5,\n  "n": null\n}\n',
  'emoji in a label': '{\n  "labels": ["a=😀"]\n}\n',
};

/** Files that dockerd does not read, or reads otherwise than a strict reader: with where the fault is. */
export const refusedFiles: Record<string, { text: string | Buffer; where: RegExp }> = {
  'a comment': { text: '{\n  // mine\n  "debug": true\n}\n', where: /line 2, column 3/ },
  'a trailing comma': { text: '{\n  "debug": true,\n}\n', where: /line 3, column 1/ },
  'a key twice': { text: '{\n  "runtimes": {},\n  "debug": true, "runtimes": {}\n}\n', where: /line 3, column 18: a key is there twice/ },
  'a key twice in a handler': { text: '{"runtimes":{"a":{"path":"/a","path":"/b"}}}', where: /line 1, column 31/ },
  'a key twice by an escape': { text: '{"debug":true,"d\\u0065bug":false}', where: /line 1, column 15/ },
  'single quotes': { text: "{'debug': true}", where: /line 1, column 2/ },
  'a list': { text: '[]', where: /line 1, column 1/ },
  'two objects': { text: '{}\n{}', where: /line 2, column 1/ },
  'an open object': { text: '{"debug": true', where: /line 1, column 15/ },
  'a newline in a string': { text: '{"labels": ["a\nb"]}', where: /line 1, column 13/ },
  'a bad escape': { text: '{"labels": ["\\x"]}', where: /line 1, column 13/ },
  'a bad number': { text: '{"a": 01}', where: /line 1, column 7/ },
  'a template': { text: '{"debug": {{ debug }}}', where: /line 1, column 12/ },
  'UTF-16': { text: Buffer.from('\ufeff{"debug": true}', 'utf16le'), where: /not UTF-8/ },
  'a key that objects inherit': { text: '{"__proto__": {}}', where: /__proto__/ },
  'too deep': { text: `{"a":${'['.repeat(40)}${']'.repeat(40)}}`, where: /nested/ },
};
