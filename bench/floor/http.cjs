/**
 * The floor of the transport: Node.js's own HTTP server and nothing else. Answers every request with the same bytes,
 * compressed anew each time where asked for.
 *   node http.cjs PORT FILE [gzip]
 */
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { gzipSync } = require('node:zlib');

const [port, file, encoding] = process.argv.slice(2);
const body = readFileSync(file);
createServer((_, response) => {
  const bytes = encoding === 'gzip' ? gzipSync(body, { level: 1 }) : body;
  response.writeHead(200, {
    'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
    'Content-Length': bytes.length,
    ...(encoding === 'gzip' ? { 'Content-Encoding': 'gzip' } : {}),
  });
  response.end(bytes);
}).listen(Number(port), '127.0.0.1');
