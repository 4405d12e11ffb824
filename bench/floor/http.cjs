/**
 * The floor of the transport: Node.js's own HTTP server and nothing else. Answers every request with the same bytes,
 * compressed anew each time for whoever takes gzip.
 *   node http.cjs PORT FILE
 */
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { gzipSync } = require('node:zlib');

const [port, file] = process.argv.slice(2);
const body = readFileSync(file);
createServer((request, response) => {
  const isCompressed = request.headers['accept-encoding'] === 'gzip';
  const bytes = isCompressed ? gzipSync(body, { level: 1 }) : body;
  response.writeHead(200, {
    'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
    'Content-Length': bytes.length,
    ...(isCompressed ? { 'Content-Encoding': 'gzip' } : {}),
  });
  response.end(bytes);
}).listen(Number(port), '127.0.0.1');
